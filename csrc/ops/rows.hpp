// The convolution of sequences whose innermost dimension are the channels: one row of channels after the other.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ops/element.hpp"

namespace seizurekit::ops {

/// Taps and bias with the channels innermost, shared by all blocks.
template <typename Element>
struct RowTaps {
  using Real = RealOf<Element>;

  RowTaps(const Convolution& problem, const Filter& filter)
      : taps(static_cast<std::size_t>(problem.width * problem.channels)),
        bias(static_cast<std::size_t>(problem.channels)) {
    const auto* weight = static_cast<const Real*>(filter.weight);
    for (std::int64_t k = 0; k < problem.width; ++k) {
      for (std::int64_t d = 0; d < problem.channels; ++d) {
        taps[static_cast<std::size_t>(k * problem.channels + d)] = weight[d * problem.width + k];
      }
    }
    if (filter.bias != nullptr) {
      std::copy_n(static_cast<const Real*>(filter.bias), problem.channels, bias.data());
    }
  }

  std::vector<Real> taps;  // [W, D]
  std::vector<Real> bias;  // [D], zeros if there is none
};

/// A block of channels of one item, over a segment of times. Times are counted in processing order.
template <typename Element>
class RowBlock {
 public:
  using Real = RealOf<Element>;
  // Buffers of converted rows should fit into the cache.
  static constexpr std::int64_t max_channels = is_real<Element> ? 1024 : 512;
  static constexpr std::int64_t segment_times = 256;

  RowBlock(const Convolution& problem, const RowTaps<Element>& filter, const void* initial, std::int64_t item,
           std::int64_t first_channel, std::int64_t channels)
      : problem_(problem),
        filter_(filter),
        initial_(initial),
        item_(item),
        first_(first_channel),
        channels_(std::min(channels, problem.channels - first_channel)),
        states_(problem.width - 1) {}

  void forward(const Sequence& x, const Sequence& y, std::int64_t begin, std::int64_t end) {
    if (begin == 0) {
      load_edge();
    }
    for (std::int64_t t = begin; t < end; t += tile_times) {
      const std::int64_t count = std::min(tile_times, end - t);
      gather(x, t, count);
      set_outs(y, begin, t, count);
      SEIZUREKIT_DISPATCH(filter_rows, forward_rows(count, problem_.silu));
      store_outs(y, begin, t, count);
    }
  }

  /// Also writes the sums [W taps, then the bias][all channels] for this block's channels.
  void backward(const Sequence& dy, const Sequence& x, const void* final_gradient, const Gradients& gradients,
                std::int64_t begin, std::int64_t end, Real* sums) {
    carry_.assign(at(states_ * channels_), Real{0});
    zeros_.assign(at(channels_), Real{0});
    before_.resize(at(states_ * channels_));
    if (begin == 0) {
      load_edge();
    }
    const Part part{dy, x, final_gradient, gradients.x, begin, end};
    differentiate(part, begin, end, sums + first_, problem_.channels);
    // Up to `states_` later times depend on this segment too. Their sums belong to the next segment.
    std::vector<Real> unused(at((states_ + 2) * channels_));
    const std::int64_t reach = std::min(end + states_, problem_.length);
    differentiate(part, end, reach, unused.data(), channels_);
    differentiate(part, reach, end + states_, unused.data(), channels_);
    if (begin == 0 && gradients.initial != nullptr) {
      store_initial_gradient(final_gradient, gradients.initial);
    }
  }

 private:
  struct Part {
    const Sequence& dy;
    const Sequence& x;
    const void* final_gradient;
    const Sequence& dx;
    std::int64_t begin, end;
  };

  static constexpr std::int64_t tile_times = is_real<Element> ? segment_times : 16;
  static constexpr std::int64_t max_states = 3;
  static constexpr std::int64_t max_rows = tile_times + max_states;

  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::int64_t channel(std::int64_t d) const { return item_ * problem_.channels + first_ + d; }

  Element* row_of(const Sequence& sequence, std::int64_t t) const {
    const std::int64_t time = problem_.reverse ? problem_.length - 1 - t : t;
    return static_cast<Element*>(sequence.data) + item_ * sequence.batch_stride + time * sequence.time_stride + first_;
  }

  /// The row of a sequence at a time, converted in `buffer` if necessary; zeros after the end.
  const Real* read(const Sequence& sequence, std::int64_t t, std::vector<Real>& buffer, std::int64_t i) const {
    if (t >= problem_.length) {
      return zeros_.data();
    }
    const Element* row = row_of(sequence, t);
    if constexpr (is_real<Element>) {
      return row;
    } else {
      load(row, channels_, buffer_row(buffer, i));
      return buffer_row(buffer, i);
    }
  }

  void load_edge() {
    edge_.resize(at(states_ * channels_));
    for (std::int64_t d = 0; d < channels_; ++d) {
      for (std::int64_t s = 0; s < states_; ++s) {
        edge_[at(s * channels_ + d)] = state_at<Element>(initial_, channel(d), states_, s);
      }
    }
  }

  /// Sets rows_[i + k] to the row that tap k of time t + i multiplies.
  void gather(const Sequence& x, std::int64_t t, std::int64_t count) {
    for (std::int64_t i = 0; i < count + states_; ++i) {
      const std::int64_t time = t + i - states_;
      rows_[at(i)] = time < 0 ? edge_.data() + (t + i) * channels_ : read(x, time, x_, i);
    }
  }

  ForwardRows<Real> forward_rows(std::int64_t count, bool silu) const {
    return {rows_.data(),
            filter_.taps.data() + first_,
            filter_.bias.data() + first_,
            problem_.channels,
            channels_,
            count,
            problem_.width,
            silu,
            outs_.data()};
  }

  /// Processes times [from, to): computes the gradients of x that are then complete, and adds to `sums`.
  void differentiate(const Part& part, std::int64_t from, std::int64_t to, Real* sums, std::int64_t sum_stride) {
    const bool silu = problem_.silu && from < problem_.length;
    for (std::int64_t t = from; t < to; t += tile_times) {
      const std::int64_t count = std::min(tile_times, to - t);
      gather(part.x, t, count);
      for (std::int64_t i = 0; i < count; ++i) {
        gradients_[at(i)] = read(part.dy, t + i, dy_, i);
      }
      set_outs(part.dx, part.begin, t - states_, count);
      SEIZUREKIT_DISPATCH(backward_rows, BackwardRows<Real>{forward_rows(count, silu), gradients_.data(), carry_.data(),
                                                            sums, sum_stride});
      add_final(part, t - states_, count);
      store_outs(part.dx, part.begin, t - states_, count);
    }
  }

  /// Sets outs_[i] to the output of time t + i; times before `begin` go to before_.
  void set_outs(const Sequence& sequence, std::int64_t begin, std::int64_t t, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (t + i < begin) {
        outs_[at(i)] = before_.data() + (t + i - begin + states_) * channels_;
      } else if constexpr (is_real<Element>) {
        outs_[at(i)] = row_of(sequence, t + i);
      } else {
        outs_[at(i)] = buffer_row(out_, i);
      }
    }
  }

  void store_outs(const Sequence& sequence, std::int64_t begin, std::int64_t t, std::int64_t count) const {
    if constexpr (!is_real<Element>) {
      for (std::int64_t i = std::max(std::int64_t{0}, begin - t); i < count; ++i) {
        store(outs_[at(i)], channels_, row_of(sequence, t + i));
      }
    }
  }

  void add_final(const Part& part, std::int64_t t, std::int64_t count) const {
    if (part.final_gradient == nullptr) {
      return;
    }
    for (std::int64_t i = std::max(part.begin, problem_.length - states_) - t; i < count; ++i) {
      for (std::int64_t d = 0; d < channels_; ++d) {
        outs_[at(i)][d] +=
            state_at<Element>(part.final_gradient, channel(d), states_, t + i + states_ - problem_.length);
      }
    }
  }

  /// before_ has the gradient of the initial state. In a short sequence, part of that state is in the final state as
  /// well.
  void store_initial_gradient(const void* final_gradient, void* out) const {
    for (std::int64_t d = 0; d < channels_; ++d) {
      for (std::int64_t s = 0; s < states_; ++s) {
        Real sum = before_[at(s * channels_ + d)];
        if (s >= problem_.length) {
          sum += state_at<Element>(final_gradient, channel(d), states_, s - problem_.length);
        }
        store(&sum, 1, static_cast<Element*>(out) + channel(d) * states_ + s);
      }
    }
  }

  Real* buffer_row(std::vector<Real>& buffer, std::int64_t i) const {
    if (buffer.empty()) {
      buffer.resize(at(max_rows * channels_));
    }
    return buffer.data() + i * channels_;
  }

  const Convolution& problem_;
  const RowTaps<Element>& filter_;
  const void* initial_;
  std::int64_t item_, first_, channels_, states_;
  std::vector<Real> edge_;    // [S, channels]: initial state
  std::vector<Real> before_;  // [S, channels]: gradients before the segment
  std::vector<Real> carry_, zeros_;
  std::vector<Real> x_, dy_, out_;  // converted rows
  std::array<const Real*, max_rows> rows_{};
  std::array<const Real*, max_rows> gradients_{};
  std::array<Real*, max_rows> outs_{};
};

}  // namespace seizurekit::ops
