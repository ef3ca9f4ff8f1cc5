// The convolution of sequences with the channels innermost: rows of neighbouring channels, one time after the other.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ops/element.hpp"

namespace seizurekit::ops {

/// A block of channels of one item of the batch, over a stretch of times. Times are counted in the order of processing.
template <typename Element>
class RowBlock {
 public:
  using Real = RealOf<Element>;
  static constexpr std::int64_t kChannels = 128;
  static constexpr std::int64_t kTimes = 512;

  RowBlock(const Convolution& problem, const Filter& filter, std::int64_t item, std::int64_t first_channel)
      : problem_(problem),
        item_(item),
        first_(first_channel),
        channels_(std::min(kChannels, problem.channels - first_channel)),
        states_(problem.width - 1),
        has_bias_(filter.bias != nullptr) {
    const auto* weight = static_cast<const Real*>(filter.weight);
    for (std::int64_t d = 0; d < channels_; ++d) {
      for (std::int64_t k = 0; k < problem.width; ++k) {
        const Real tap = weight[(first_ + d) * problem.width + k];
        taps_[at(k * channels_ + d)] = tap;
        reversed_taps_[at((states_ - k) * channels_ + d)] = tap;
      }
      bias_[at(d)] = has_bias_ ? static_cast<const Real*>(filter.bias)[first_ + d] : Real{0};
      for (std::int64_t s = 0; s < states_; ++s) {
        edge_[at(s * channels_ + d)] = state_at<Element>(filter.initial, channel(d), states_, s);
      }
    }
  }

  void forward(const Sequence& x, const Sequence& y, std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; t += kTile) {
      const std::int64_t count = std::min(kTile, end - t);
      gather(x, t, count);
      point_out(y, t, count);
      SEIZUREKIT_DISPATCH(filter_rows, rows_.data(), taps_.data(), bias(), problem_.width, channels_, count,
                          problem_.silu, outs_.data());
      put_out(y, t, count);
    }
  }

  /// Adds to tap_sums [W][channels of all] and bias_sums [channels of all] at this block's channels.
  void backward(const Sequence& dy, const Sequence& x, const void* final_gradient, const Gradients& gradients,
                std::int64_t begin, std::int64_t end, Real* sums) {
    std::array<Real, std::size_t{5} * kChannels> own{};
    for (std::int64_t t = begin; t < end; t += kTile) {
      const std::int64_t count = std::min(kTile, end - t);
      // What comes up to `states` later depends on these times too.
      const std::int64_t reach = std::min(count + states_, problem_.length - t);
      gather(x, t, reach);
      differentiate(dy, t, reach, count + states_);
      SEIZUREKIT_DISPATCH(add_products_rows, rows_.data(), gradients_.data(), problem_.width, channels_, count,
                          own.data(), own.data() + std::int64_t{problem_.width} * channels_);
      if (t == 0) {
        initial_gradient(final_gradient, gradients.initial);
      }
      point_out(gradients.x, t, count);
      SEIZUREKIT_DISPATCH(filter_rows, gradients_.data(), reversed_taps_.data(), static_cast<const Real*>(nullptr),
                          problem_.width, channels_, count, false, outs_.data());
      add_final(final_gradient, t, count);
      put_out(gradients.x, t, count);
    }
    for (std::int64_t k = 0; k <= problem_.width; ++k) {
      for (std::int64_t d = 0; d < channels_; ++d) {
        sums[k * problem_.channels + first_ + d] = own[at(k * channels_ + d)];
      }
    }
  }

 private:
  static constexpr std::int64_t kTile = 64;
  static constexpr std::int64_t kMostStates = 3;
  static constexpr std::int64_t kMostRows = kTile + 2 * kMostStates;

  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::int64_t channel(std::int64_t d) const { return item_ * problem_.channels + first_ + d; }
  const Real* bias() const { return has_bias_ ? bias_.data() : nullptr; }

  Element* row_of(const Sequence& sequence, std::int64_t t) const {
    const std::int64_t time = problem_.reverse ? problem_.length - 1 - t : t;
    return static_cast<Element*>(sequence.data) + item_ * sequence.batch_stride + time * sequence.time_stride + first_;
  }

  /// The row of a sequence at a time, in `buffer` where it cannot be computed with as it is.
  const Real* read(const Sequence& sequence, std::int64_t t, Real* buffer) const {
    const Element* row = row_of(sequence, t);
    if constexpr (direct<Element>) {
      return row;
    } else {
      load(row, channels_, buffer);
      return buffer;
    }
  }

  /// rows_[i + k] is what lies under tap k of time t + i.
  void gather(const Sequence& x, std::int64_t t, std::int64_t count) {
    for (std::int64_t i = 0; i < count + states_; ++i) {
      const std::int64_t time = t + i - states_;
      rows_[at(i)] = time < 0 ? edge_.data() + (t + i) * channels_ : read(x, time, row(x_, i));
    }
  }

  /// gradients_[i] is that of the sum at time t + i; zeros from `reach` to `count`.
  void differentiate(const Sequence& dy, std::int64_t t, std::int64_t reach, std::int64_t count) {
    for (std::int64_t i = 0; i < reach; ++i) {
      gradients_[at(i)] = read(dy, t + i, row(dy_, i));
      outs_[at(i)] = row(dpre_, i);
    }
    if (problem_.silu) {
      SEIZUREKIT_DISPATCH(silu_backward_rows, rows_.data(), taps_.data(), bias(), problem_.width, channels_, reach,
                          gradients_.data(), outs_.data());
      std::copy_n(outs_.begin(), reach, gradients_.begin());
    }
    std::fill(gradients_.begin() + reach, gradients_.begin() + count, zeros_.data());
  }

  void point_out(const Sequence& sequence, std::int64_t t, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (direct<Element>) {
        outs_[at(i)] = row_of(sequence, t + i);
      } else {
        outs_[at(i)] = row(out_, i);
      }
    }
  }

  void put_out(const Sequence& sequence, std::int64_t t, std::int64_t count) {
    if constexpr (!direct<Element>) {
      for (std::int64_t i = 0; i < count; ++i) {
        store(outs_[at(i)], channels_, row_of(sequence, t + i));
      }
    }
  }

  void add_final(const void* final_gradient, std::int64_t t, std::int64_t count) {
    if (final_gradient == nullptr) {
      return;
    }
    for (std::int64_t i = std::max(std::int64_t{0}, problem_.length - states_ - t); i < count; ++i) {
      for (std::int64_t d = 0; d < channels_; ++d) {
        outs_[at(i)][d] += state_at<Element>(final_gradient, channel(d), states_, t + i + states_ - problem_.length);
      }
    }
  }

  void initial_gradient(const void* final_gradient, void* out) {
    if (out == nullptr) {
      return;
    }
    for (std::int64_t d = 0; d < channels_; ++d) {
      for (std::int64_t s = 0; s < states_; ++s) {
        Real sum =
            s < problem_.length ? Real{0} : state_at<Element>(final_gradient, channel(d), states_, s - problem_.length);
        for (std::int64_t k = 0; k <= s; ++k) {
          sum += taps_[at(k * channels_ + d)] * gradients_[at(s - k)][d];
        }
        store(&sum, 1, static_cast<Element*>(out) + channel(d) * states_ + s);
      }
    }
  }

  Real* row(std::vector<Real>& buffer, std::int64_t i) {
    if (buffer.empty()) {
      buffer.resize(at(kMostRows * kChannels));
    }
    return buffer.data() + i * kChannels;
  }

  const Convolution& problem_;
  std::int64_t item_, first_, channels_, states_;
  bool has_bias_;
  std::array<Real, std::size_t{4} * kChannels> taps_{};
  std::array<Real, std::size_t{4} * kChannels> reversed_taps_{};
  std::array<Real, std::size_t{3} * kChannels> edge_{};
  std::array<Real, kChannels> bias_{};
  std::array<Real, kChannels> zeros_{};
  std::vector<Real> x_, dy_, dpre_, out_;
  std::array<const Real*, kMostRows> rows_{};
  std::array<const Real*, kMostRows> gradients_{};
  std::array<Real*, kMostRows> outs_{};
};

}  // namespace seizurekit::ops
