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

/// Below so many elements a second thread costs more than it saves.
constexpr std::int64_t kElementsAThread = 1 << 16;

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

/// How the work is cut: the same for any number of threads, so that sums are added in the same order.
struct Cut {
  std::int64_t items, blocks, stretches, channels_a_block, times_a_stretch;

  std::int64_t units() const { return items * blocks * stretches; }
};

struct Unit {
  std::int64_t item, channel, begin, end, stretch;
};

std::int64_t parts(std::int64_t whole, std::int64_t size) { return (whole + size - 1) / size; }

template <typename Element>
Cut cut(const Convolution& problem, bool rows) {
  const std::int64_t times = rows ? RowBlock<Element>::kTimes : Line<Element>::kTimes;
  const std::int64_t stretches = parts(problem.length, times);
  if (!rows) {
    return {problem.batch, problem.channels, stretches, 1, times};
  }
  // Blocks of about the same size, of whole lines of the cache.
  constexpr std::int64_t line = 16;
  const std::int64_t blocks = parts(problem.channels, RowBlock<Element>::kChannels);
  const std::int64_t channels = parts(parts(problem.channels, blocks), line) * line;
  return {problem.batch, parts(problem.channels, channels), stretches, channels, times};
}

Unit unit(const Convolution& problem, const Cut& cut, std::int64_t number) {
  const std::int64_t stretch = number % cut.stretches;
  const std::int64_t block = number / cut.stretches % cut.blocks;
  const std::int64_t item = number / cut.stretches / cut.blocks;
  const std::int64_t begin = stretch * cut.times_a_stretch;
  return {item, block * cut.channels_a_block, begin, std::min(begin + cut.times_a_stretch, problem.length), stretch};
}

template <typename Work>
void for_each_unit(const Convolution& problem, const Cut& cut, Work&& work) {
  const std::int64_t elements = problem.batch * problem.channels * problem.length;
  const auto useful = static_cast<std::size_t>(elements / kElementsAThread + 1);
  // Units are handed out in runs, since some are short.
  const std::int64_t runs = std::min(cut.units(), std::int64_t{64});
  parallel_for(static_cast<std::size_t>(runs), std::min(problem.threads, useful), [&](std::size_t run) {
    const auto i = static_cast<std::int64_t>(run);
    for (std::int64_t number = cut.units() * i / runs; number < cut.units() * (i + 1) / runs; ++number) {
      work(unit(problem, cut, number));
    }
  });
}

bool channels_innermost(const Sequence& x) { return x.channel_stride == 1 && x.time_stride != 1; }

/// The last samples of the state and the sequence after it, in the order of processing.
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
  const Cut cuts = cut<Element>(problem, rows);
  if (rows) {
    const RowTaps<Element> taps(problem, filter);
    for_each_unit(problem, cuts, [&](const Unit& part) {
      RowBlock<Element>(problem, taps, filter.initial, part.item, part.channel, cuts.channels_a_block)
          .forward(x, y, part.begin, part.end);
    });
  } else {
    for_each_unit(problem, cuts, [&](const Unit& part) {
      Line<Element>(problem, filter, part.item, part.channel).forward(x, y, part.begin, part.end);
    });
  }
}

/// Adds the sums of all items and stretches, always in the same order, in double.
template <typename Real>
void add_up(const Convolution& problem, const std::vector<Real>& sums, bool rows, const Gradients& gradients) {
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
  const Cut cuts = cut<Element>(problem, rows);
  const std::int64_t entries = problem.width + 1;
  std::vector<Real> sums(static_cast<std::size_t>(problem.batch * cuts.stretches * entries * problem.channels));
  const auto own = [&](const Unit& part) {
    return sums.data() + (part.item * cuts.stretches + part.stretch) * entries * problem.channels;
  };
  if (rows) {
    const RowTaps<Element> taps(problem, filter);
    for_each_unit(problem, cuts, [&](const Unit& part) {
      RowBlock<Element>(problem, taps, filter.initial, part.item, part.channel, cuts.channels_a_block)
          .backward(dy, x, final_gradient, gradients, part.begin, part.end, own(part));
    });
  } else {
    for_each_unit(problem, cuts, [&](const Unit& part) {
      Line<Element>(problem, filter, part.item, part.channel)
          .backward(dy, x, final_gradient, gradients, part.begin, part.end, own(part) + part.channel * entries);
    });
  }
  add_up(problem, sums, rows, gradients);
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
