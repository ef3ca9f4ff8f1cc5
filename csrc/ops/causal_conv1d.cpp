#include "ops/causal_conv1d.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "ops/element.hpp"
#include "ops/lines.hpp"
#include "ops/rows.hpp"
#include "support/parallel_for.hpp"

namespace seizurekit::ops {
namespace {

/// With fewer elements per thread, starting a thread costs more than it saves.
constexpr std::int64_t elements_per_thread = 1 << 16;

template <typename Work>
void with_element(DType dtype, Work&& work) {
  switch (dtype) {
    case DType::float32:
      return work(float{});
    case DType::float64:
      return work(double{});
    case DType::bfloat16:
      return work(BFloat16{});
    default:
      return work(Float16{});
  }
}

/// A division of the work into units. It does not depend on the number of threads, so sums are added in the same order.
struct Partition {
  std::int64_t items, blocks, segments, channels_per_block, times_per_segment;

  std::int64_t units() const { return items * blocks * segments; }
};

/// A block of channels of one item, over a segment of times.
struct Unit {
  std::int64_t item, channel, begin, end, segment;
};

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <typename Element>
Partition partition(const Convolution& problem, bool rows) {
  const std::int64_t times = rows ? RowBlock<Element>::segment_times : Line<Element>::segment_times;
  const std::int64_t segments = ceil_div(problem.length, times);
  if (!rows) {
    return {problem.batch, problem.channels, segments, 1, times};
  }
  // Blocks of about the same size that consist of whole cache lines.
  constexpr std::int64_t line = 16;
  const std::int64_t blocks = ceil_div(problem.channels, RowBlock<Element>::max_channels);
  const std::int64_t channels = ceil_div(ceil_div(problem.channels, blocks), line) * line;
  return {problem.batch, ceil_div(problem.channels, channels), segments, channels, times};
}

Unit unit_at(const Convolution& problem, const Partition& parts, std::int64_t index) {
  const std::int64_t segment = index % parts.segments;
  const std::int64_t block = index / parts.segments % parts.blocks;
  const std::int64_t item = index / parts.segments / parts.blocks;
  const std::int64_t begin = segment * parts.times_per_segment;
  return {item, block * parts.channels_per_block, begin, std::min(begin + parts.times_per_segment, problem.length),
          segment};
}

template <typename Work>
void for_each_unit(const Convolution& problem, const Partition& parts, Work&& work) {
  const std::int64_t elements = problem.batch * problem.channels * problem.length;
  const auto useful_threads = static_cast<std::size_t>(elements / elements_per_thread + 1);
  // A thread takes several units at once, because units can be short.
  const std::int64_t runs = std::min(parts.units(), std::int64_t{64});
  parallel_for(static_cast<std::size_t>(runs), std::min(problem.threads, useful_threads), [&](std::size_t run) {
    const auto i = static_cast<std::int64_t>(run);
    for (std::int64_t index = parts.units() * i / runs; index < parts.units() * (i + 1) / runs; ++index) {
      work(unit_at(problem, parts, index));
    }
  });
}

bool channels_innermost(const Sequence& x) { return x.channel_stride == 1 && x.time_stride != 1; }

/// The last samples of the sequence that consists of the initial state and x, in processing order.
template <typename Element>
void copy_final_state(const Convolution& problem, const Sequence& x, const void* initial, void* out) {
  const std::int64_t states = problem.width - 1;
  const auto* edge = static_cast<const Element*>(initial);
  auto* final_state = static_cast<Element*>(out);
  for (std::int64_t item = 0; item < problem.batch; ++item) {
    const Element* sequence = static_cast<const Element*>(x.data) + item * x.batch_stride;
    for (std::int64_t s = 0; s < states; ++s) {
      const std::int64_t t = problem.length - states + s;
      const std::int64_t offset = (problem.reverse ? problem.length - 1 - t : t) * x.time_stride;
      for (std::int64_t d = 0; d < problem.channels; ++d) {
        const std::int64_t line = (item * problem.channels + d) * states;
        if (t >= 0) {
          final_state[line + s] = sequence[offset + d * x.channel_stride];
        } else {
          final_state[line + s] = edge == nullptr ? Element{} : edge[line + t + states];
        }
      }
    }
  }
}

template <typename Element>
void forward_of(const Convolution& problem, const Sequence& x, const Filter& filter, const Sequence& y) {
  const bool rows = channels_innermost(x);
  const Partition parts = partition<Element>(problem, rows);
  if (rows) {
    const RowTaps<Element> taps(problem, filter);
    for_each_unit(problem, parts, [&](const Unit& unit) {
      RowBlock<Element>(problem, taps, filter.initial, unit.item, unit.channel, parts.channels_per_block)
          .forward(x, y, unit.begin, unit.end);
    });
  } else {
    for_each_unit(problem, parts, [&](const Unit& unit) {
      Line<Element>(problem, filter, unit.item, unit.channel).forward(x, y, unit.begin, unit.end);
    });
  }
}

/// Adds the sums of all items and segments in a fixed order, in double.
template <typename Real>
void reduce(const Convolution& problem, const std::vector<Real>& sums, bool rows, const Gradients& gradients) {
  const std::int64_t entries = problem.width + 1;
  const auto size = static_cast<std::size_t>(entries * problem.channels);
  std::vector<double> totals(size);
  for (std::size_t first = 0; first < sums.size(); first += size) {
    for (std::size_t i = 0; i < size; ++i) {
      totals[i] += sums[first + i];
    }
  }
  for (std::int64_t d = 0; d < problem.channels; ++d) {
    for (std::int64_t k = 0; k < entries; ++k) {
      const double total = totals[static_cast<std::size_t>(rows ? k * problem.channels + d : d * entries + k)];
      if (k < problem.width) {
        static_cast<Real*>(gradients.weight)[d * problem.width + k] = static_cast<Real>(total);
      } else {
        static_cast<Real*>(gradients.bias)[d] = static_cast<Real>(total);
      }
    }
  }
}

template <typename Element>
void backward_of(const Convolution& problem, const Sequence& dy, const Sequence& x, const Filter& filter,
                 const void* final_gradient, const Gradients& gradients) {
  using Real = RealOf<Element>;
  const bool rows = channels_innermost(x);
  const Partition parts = partition<Element>(problem, rows);
  const std::int64_t entries = problem.width + 1;
  std::vector<Real> sums(static_cast<std::size_t>(problem.batch * parts.segments * entries * problem.channels));
  const auto sums_of = [&](const Unit& unit) {
    return sums.data() + (unit.item * parts.segments + unit.segment) * entries * problem.channels;
  };
  if (rows) {
    const RowTaps<Element> taps(problem, filter);
    for_each_unit(problem, parts, [&](const Unit& unit) {
      RowBlock<Element>(problem, taps, filter.initial, unit.item, unit.channel, parts.channels_per_block)
          .backward(dy, x, final_gradient, gradients, unit.begin, unit.end, sums_of(unit));
    });
  } else {
    for_each_unit(problem, parts, [&](const Unit& unit) {
      Line<Element>(problem, filter, unit.item, unit.channel)
          .backward(dy, x, final_gradient, gradients, unit.begin, unit.end, sums_of(unit) + unit.channel * entries);
    });
  }
  reduce(problem, sums, rows, gradients);
}

}  // namespace

void forward(const Convolution& problem, const Sequence& x, const Filter& filter, const Sequence& y,
             void* final_state) {
  with_element(problem.dtype, [&](auto element) {
    using Element = decltype(element);
    forward_of<Element>(problem, x, filter, y);
    copy_final_state<Element>(problem, x, filter.initial, final_state);
  });
}

void backward(const Convolution& problem, const Sequence& dy, const Sequence& x, const Filter& filter,
              const void* final_gradient, const Gradients& gradients) {
  with_element(problem.dtype, [&](auto element) {
    backward_of<decltype(element)>(problem, dy, x, filter, final_gradient, gradients);
  });
}

}  // namespace seizurekit::ops
