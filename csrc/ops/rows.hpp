// The convolution of sequences with the channels innermost: rows of neighbouring channels, one time after the other.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ops/element.hpp"

namespace seizurekit::ops {

/// Taps and bias with the channels innermost: made once, for all blocks.
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
  std::vector<Real> bias;  // [D], zeros where there is none
};

/// A block of channels of one item of the batch, over a stretch of times. Times are counted in the order of processing.
template <typename Element>
class RowBlock {
 public:
  using Real = RealOf<Element>;
  // Converted rows go through buffers, which are to stay in the cache.
  static constexpr std::int64_t kChannels = direct<Element> ? 1024 : 512;
  static constexpr std::int64_t kTimes = 256;

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
      gather_edge();
    }
    for (std::int64_t t = begin; t < end; t += kTile) {
      const std::int64_t count = std::min(kTile, end - t);
      gather(x, t, count);
      point_out(y, begin, t, count);
      SEIZUREKIT_DISPATCH(filter_rows, filtered(count, problem_.silu));
      put_out(y, begin, t, count);
    }
  }

  /// Writes the sums [W taps, then the bias][channels of all] at this block's channels.
  void backward(const Sequence& dy, const Sequence& x, const void* final_gradient, const Gradients& gradients,
                std::int64_t begin, std::int64_t end, Real* sums) {
    held_.assign(at(states_ * channels_), Real{0});
    zeros_.assign(at(channels_), Real{0});
    before_.resize(at(states_ * channels_));
    if (begin == 0) {
      gather_edge();
    }
    const Part part{dy, x, final_gradient, gradients.x, begin, end};
    differentiate(part, begin, end, sums + first_, problem_.channels);
    // What comes up to `states` later depends on these times too, but counts elsewhere.
    std::vector<Real> elsewhere(at((states_ + 2) * channels_));
    const std::int64_t reach = std::min(end + states_, problem_.length);
    differentiate(part, end, reach, elsewhere.data(), channels_);
    differentiate(part, reach, end + states_, elsewhere.data(), channels_);
    if (begin == 0 && gradients.initial != nullptr) {
      put_initial(final_gradient, gradients.initial);
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

  static constexpr std::int64_t kTile = direct<Element> ? kTimes : 16;
  static constexpr std::int64_t kMostStates = 3;
  static constexpr std::int64_t kMostRows = kTile + kMostStates;

  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::int64_t channel(std::int64_t d) const { return item_ * problem_.channels + first_ + d; }

  Element* row_of(const Sequence& sequence, std::int64_t t) const {
    const std::int64_t time = problem_.reverse ? problem_.length - 1 - t : t;
    return static_cast<Element*>(sequence.data) + item_ * sequence.batch_stride + time * sequence.time_stride + first_;
  }

  /// The row of a sequence at a time, in `buffer` where it cannot be computed with as it is; zeros after the end.
  const Real* read(const Sequence& sequence, std::int64_t t, std::vector<Real>& buffer, std::int64_t i) const {
    if (t >= problem_.length) {
      return zeros_.data();
    }
    const Element* row = row_of(sequence, t);
    if constexpr (direct<Element>) {
      return row;
    } else {
      load(row, channels_, row_in(buffer, i));
      return row_in(buffer, i);
    }
  }

  void gather_edge() {
    edge_.resize(at(states_ * channels_));
    for (std::int64_t d = 0; d < channels_; ++d) {
      for (std::int64_t s = 0; s < states_; ++s) {
        edge_[at(s * channels_ + d)] = state_at<Element>(initial_, channel(d), states_, s);
      }
    }
  }

  /// rows_[i + k] is what lies under tap k of time t + i.
  void gather(const Sequence& x, std::int64_t t, std::int64_t count) {
    for (std::int64_t i = 0; i < count + states_; ++i) {
      const std::int64_t time = t + i - states_;
      rows_[at(i)] = time < 0 ? edge_.data() + (t + i) * channels_ : read(x, time, x_, i);
    }
  }

  FilteredRows<Real> filtered(std::int64_t count, bool silu) const {
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

  /// The times from `from` to `to`: their share in the gradients of x up to then, and in `sums`.
  void differentiate(const Part& part, std::int64_t from, std::int64_t to, Real* sums, std::int64_t sum_stride) {
    const bool silu = problem_.silu && from < problem_.length;
    for (std::int64_t t = from; t < to; t += kTile) {
      const std::int64_t count = std::min(kTile, to - t);
      gather(part.x, t, count);
      for (std::int64_t i = 0; i < count; ++i) {
        gradients_[at(i)] = read(part.dy, t + i, dy_, i);
      }
      point_out(part.dx, part.begin, t - states_, count);
      SEIZUREKIT_DISPATCH(backward_rows, DifferentiatedRows<Real>{filtered(count, silu), gradients_.data(),
                                                                  held_.data(), sums, sum_stride});
      add_final(part, t - states_, count);
      put_out(part.dx, part.begin, t - states_, count);
    }
  }

  /// outs_[i] is for time t + i; those before `begin` go to before_.
  void point_out(const Sequence& sequence, std::int64_t begin, std::int64_t t, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (t + i < begin) {
        outs_[at(i)] = before_.data() + (t + i - begin + states_) * channels_;
      } else if constexpr (direct<Element>) {
        outs_[at(i)] = row_of(sequence, t + i);
      } else {
        outs_[at(i)] = row_in(out_, i);
      }
    }
  }

  void put_out(const Sequence& sequence, std::int64_t begin, std::int64_t t, std::int64_t count) const {
    if constexpr (!direct<Element>) {
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

  /// before_ has what the first sums owe to the state, which goes through to the final one where L is short.
  void put_initial(const void* final_gradient, void* out) const {
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

  Real* row_in(std::vector<Real>& buffer, std::int64_t i) const {
    if (buffer.empty()) {
      buffer.resize(at(kMostRows * channels_));
    }
    return buffer.data() + i * channels_;
  }

  const Convolution& problem_;
  const RowTaps<Element>& filter_;
  const void* initial_;
  std::int64_t item_, first_, channels_, states_;
  std::vector<Real> edge_;    // [S, channels]: the initial state
  std::vector<Real> before_;  // [S, channels]: gradients of what comes before the stretch
  std::vector<Real> held_, zeros_;
  std::vector<Real> x_, dy_, out_;  // rows as they are computed with
  std::array<const Real*, kMostRows> rows_{};
  std::array<const Real*, kMostRows> gradients_{};
  std::array<Real*, kMostRows> outs_{};
};

}  // namespace seizurekit::ops
