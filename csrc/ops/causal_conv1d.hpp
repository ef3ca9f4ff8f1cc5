// Depthwise causal convolution, forward and backward; the formulas are in kernels/causal_conv1d/__init__.py.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/dtype.hpp"

namespace seizurekit::ops {

struct Convolution {
  DType dtype;  // of x, y, the states and their gradients: float32, float64, float16 or bfloat16
  std::int64_t batch, channels, length;
  int width;     // taps, 2 to 4
  bool silu;     // taken of the sums
  bool reverse;  // from the end to the beginning
  std::size_t threads;
};

/// A tensor [B, D, L] with either D or L innermost; strides in elements.
struct Sequence {
  void* data;
  std::int64_t batch_stride, channel_stride, time_stride;
};

/// What does not vary along the sequence. Weight [D, W] and bias [D] are float, or double where x is; the states [B, D,
/// W - 1] are of x's kind. All contiguous; bias and initial may be null.
struct Filter {
  const void* weight;
  const void* bias;
  const void* initial;
};

/// Fills y, with the same dimension innermost as x, and final.
void forward(const Convolution& problem, const Sequence& x, const Filter& filter, const Sequence& y, void* final_state);

/// Of the same shapes and kinds as what they are the gradients of; weight and bias are written in float, or double.
struct Gradients {
  Sequence x;
  void* weight;
  void* bias;
  void* initial;  // may be null
};

/// Fills the gradients; dy has the same dimension innermost as x, final_gradient may be null. The sums over batch and
/// length do not depend on the number of threads.
void backward(const Convolution& problem, const Sequence& dy, const Sequence& x, const Filter& filter,
              const void* final_gradient, const Gradients& gradients);

}  // namespace seizurekit::ops
