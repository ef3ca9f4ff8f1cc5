// The convolution of sequences whose innermost dimension is the length: one channel after the other.
#pragma once

#include <array>
#include <cstdint>

#include "ops/element.hpp"

namespace seizurekit::ops {

/// One channel of one item. Times are counted in memory order. The "extended" line has the initial state before its
/// first processed sample, so that taps_[k] at time t multiplies extended[t + k].
template <typename Element>
class Line {
 public:
  using Real = RealOf<Element>;
  static constexpr std::int64_t segment_times = 1024;

  Line(const Convolution& problem, const Filter& filter, std::int64_t item, std::int64_t channel)
      : problem_(problem),
        item_(item),
        channel_(channel),
        states_(problem.width - 1),
        initial_(filter.initial),
        bias_(filter.bias == nullptr ? Real{0} : static_cast<const Real*>(filter.bias)[channel]) {
    const auto* weight = static_cast<const Real*>(filter.weight) + channel * problem.width;
    for (std::int64_t k = 0; k < problem.width; ++k) {
      taps_[at(problem.reverse ? states_ - k : k)] = weight[k];
      reversed_taps_[at(problem.reverse ? k : states_ - k)] = weight[k];
    }
  }

  void forward(const Sequence& x, const Sequence& y, std::int64_t begin, std::int64_t end) {
    const Real* source = extended(x, begin, end - begin + states_);
    Element* target = line_of(y) + begin;
    if constexpr (is_real<Element>) {
      filter(source, end - begin, target);
    } else {
      filter(source, end - begin, out_.data());
      store(out_.data(), end - begin, target);
    }
  }

  /// Also writes the sums [W taps, then the bias] over these times.
  void backward(const Sequence& dy, const Sequence& x, const void* final_gradient, const Gradients& gradients,
                std::int64_t begin, std::int64_t end, Real* sums) {
    const std::int64_t count = end - begin;
    const std::int64_t base = problem_.reverse ? begin - states_ : begin;
    const std::int64_t from = std::max(std::int64_t{0}, base);
    const std::int64_t to = std::min(problem_.length, base + count + states_);
    const Real* source = extended(x, from, to - from + states_);
    differentiate(dy, source, base, from, to, base + count + states_);

    const auto found = SEIZUREKIT_DISPATCH(products_line, source + (begin - from), dpre_.data() + (begin - base),
                                           problem_.width, count);
    for (std::int64_t k = 0; k < problem_.width; ++k) {
      sums[problem_.reverse ? states_ - k : k] = found.taps[k];
    }
    sums[problem_.width] = found.bias;

    SEIZUREKIT_DISPATCH(filter_line, dpre_.data(), reversed_taps_.data(), Real{0}, problem_.width, count, false,
                        out_.data());
    for (std::int64_t s = 0; s < states_; ++s) {
      const std::int64_t time = problem_.reverse ? states_ - 1 - s : problem_.length - states_ + s;
      if (final_gradient != nullptr && time >= begin && time < end) {
        out_[at(time - begin)] += state_at<Element>(final_gradient, row(), states_, s);
      }
    }
    store(out_.data(), count, line_of(gradients.x) + begin);
    if (gradients.initial != nullptr && (problem_.reverse ? end == problem_.length : begin == 0)) {
      initial_gradient(final_gradient, base, static_cast<Element*>(gradients.initial));
    }
  }

 private:
  static constexpr std::int64_t buffer_size = segment_times + 8;

  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::int64_t row() const { return item_ * problem_.channels + channel_; }

  Element* line_of(const Sequence& sequence) const {
    return static_cast<Element*>(sequence.data) + item_ * sequence.batch_stride + channel_ * sequence.channel_stride;
  }

  void filter(const Real* source, std::int64_t count, Real* target) const {
    SEIZUREKIT_DISPATCH(filter_line, source, taps_.data(), bias_, problem_.width, count, problem_.silu, target);
  }

  /// `count` samples of the extended line from the one that the first tap of time t multiplies.
  const Real* extended(const Sequence& x, std::int64_t t, std::int64_t count) {
    const Element* line = line_of(x);
    const std::int64_t first = problem_.reverse ? t : t - states_;  // as a time of x
    const std::int64_t from = std::max(std::int64_t{0}, first);
    const std::int64_t to = std::min(problem_.length, first + count);
    if constexpr (is_real<Element>) {
      if (from == first && to == first + count) {
        return line + first;
      }
    }
    load(line + from, to - from, x_.data() + (from - first));
    for (std::int64_t time = first; time < from; ++time) {
      x_[at(time - first)] = state_at<Element>(initial_, row(), states_, time + states_);
    }
    for (std::int64_t time = to; time < first + count; ++time) {
      x_[at(time - first)] = state_at<Element>(initial_, row(), states_, states_ - 1 - (time - problem_.length));
    }
    return x_.data();
  }

  /// Sets dpre_[i] to the gradient of the sum at time base + i for all times before `until`; 0 outside [from, to).
  void differentiate(const Sequence& dy, const Real* source, std::int64_t base, std::int64_t from, std::int64_t to,
                     std::int64_t until) {
    Real* valid = dpre_.data() + (from - base);
    std::fill(dpre_.data(), valid, Real{0});
    std::fill(dpre_.data() + (to - base), dpre_.data() + (until - base), Real{0});
    const Element* line = line_of(dy) + from;
    if (!problem_.silu) {
      load(line, to - from, valid);
      return;
    }
    const Real* gradient = nullptr;
    if constexpr (is_real<Element>) {
      gradient = line;
    } else {
      load(line, to - from, out_.data());
      gradient = out_.data();
    }
    SEIZUREKIT_DISPATCH(silu_backward_line, source, taps_.data(), bias_, problem_.width, to - from, gradient, valid);
  }

  /// The gradient of the initial state, in processing order.
  void initial_gradient(const void* final_gradient, std::int64_t base, Element* out) const {
    for (std::int64_t s = 0; s < states_; ++s) {
      Real sum = s < problem_.length ? Real{0} : state_at<Element>(final_gradient, row(), states_, s - problem_.length);
      for (std::int64_t k = 0; k <= s; ++k) {
        const std::int64_t processed = s - k;
        if (processed < problem_.length) {
          const std::int64_t time = problem_.reverse ? problem_.length - 1 - processed : processed;
          sum += taps_[at(problem_.reverse ? states_ - k : k)] * dpre_[at(time - base)];
        }
      }
      store(&sum, 1, out + row() * states_ + s);
    }
  }

  const Convolution& problem_;
  std::int64_t item_, channel_, states_;
  const void* initial_;
  Real bias_;
  std::array<Real, 4> taps_{};
  std::array<Real, 4> reversed_taps_{};
  std::array<Real, buffer_size> x_;
  std::array<Real, buffer_size> dpre_;
  std::array<Real, buffer_size> out_;
};

}  // namespace seizurekit::ops
