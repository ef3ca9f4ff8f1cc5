// Depthwise causal convolution, forward and backward. The formulas are in kernels/causal_conv1d/__init__.py.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/dtype.hpp"

namespace seizurekit::ops {

struct Convolution {
  DType dtype;  // of x, y, the states and their gradients; not int16
  std::int64_t batch, channels, length;
  int width;     // number of taps, 2 to 4
  bool silu;     // apply SiLU to the sums
  bool reverse;  // process from the end to the start
  std::size_t threads;
};

/// A tensor [B, D, L] with D or L innermost; strides in elements.
struct Sequence {
  void* data;
  std::int64_t batch_stride, channel_stride, time_stride;
};

/// Contiguous tensors. Weight [D, W] and bias [D] are float64 if x is, else float32. The initial state [B, D, W - 1]
/// has the dtype of x. Bias and initial state may be null.
struct Filter {
  const void* weight;
  const void* bias;
  const void* initial;
};

/// Computes y, which has the same innermost dimension as x, and the final state.
void forward(const Convolution& problem, const Sequence& x, const Filter& filter, const Sequence& y, void* final_state);

/// Gradients have the shapes and dtypes of their tensors.
struct Gradients {
  Sequence x;
  void* weight;
  void* bias;
  void* initial;  // may be null
};

/// Computes the gradients. dy has the same innermost dimension as x; final_gradient may be null. Sums over batch and
/// length do not depend on the number of threads.
void backward(const Convolution& problem, const Sequence& dy, const Sequence& x, const Filter& filter,
              const void* final_gradient, const Gradients& gradients);

}  // namespace seizurekit::ops
