// The kernels by name: operation, type, layout (rows: length innermost), and whether accesses are wide.
#pragma once

#include "cuda_backward.cuh"
#include "cuda_forward.cuh"
#include "cuda_states.cuh"
#include "cuda_sums.cuh"

// clang-format off
// Row<T, samples per access, samples of a tile>; Columns<T, channels per access, accesses in flight>. The sums for
// gradients of eight channels do not fit into registers, so these accesses have 8 bytes.
#define SEIZUREKIT_EACH_TILED_KERNEL(DO)                                          \
  DO(forward, float32, rows, vector, seizurekit::Row<float, 4, 8>)                \
  DO(forward, float32, rows, scalar, seizurekit::Row<float, 1, 4>)                \
  DO(forward, float32, channels, vector, seizurekit::Columns<float, 4, 4>)        \
  DO(forward, float32, channels, scalar, seizurekit::Columns<float, 1, 4>)        \
  DO(backward, float32, rows, vector, seizurekit::Row<float, 4, 8>)               \
  DO(backward, float32, rows, scalar, seizurekit::Row<float, 1, 4>)               \
  DO(backward, float32, channels, vector, seizurekit::Columns<float, 4, 2>)       \
  DO(backward, float32, channels, scalar, seizurekit::Columns<float, 1, 4>)       \
  SEIZUREKIT_EACH_16_BIT_KERNEL(DO, bfloat16, seizurekit::BFloat16)               \
  SEIZUREKIT_EACH_16_BIT_KERNEL(DO, float16, seizurekit::Float16)

#define SEIZUREKIT_EACH_16_BIT_KERNEL(DO, type, ...)                              \
  DO(forward, type, rows, vector, seizurekit::Row<__VA_ARGS__, 8, 16>)            \
  DO(forward, type, rows, scalar, seizurekit::Row<__VA_ARGS__, 1, 4>)             \
  DO(forward, type, channels, vector, seizurekit::Columns<__VA_ARGS__, 8, 4>)     \
  DO(forward, type, channels, scalar, seizurekit::Columns<__VA_ARGS__, 1, 4>)     \
  DO(backward, type, rows, vector, seizurekit::Row<__VA_ARGS__, 8, 16>)           \
  DO(backward, type, rows, scalar, seizurekit::Row<__VA_ARGS__, 1, 4>)            \
  DO(backward, type, channels, vector, seizurekit::Columns<__VA_ARGS__, 4, 2>)    \
  DO(backward, type, channels, scalar, seizurekit::Columns<__VA_ARGS__, 1, 4>)

#define SEIZUREKIT_EACH_SMALL_KERNEL(DO)                                                                              \
  DO(add_partial_sums, float32, float)                                                                                \
  DO(add_partial_sums, bfloat16, seizurekit::BFloat16)                                                                \
  DO(add_partial_sums, float16, seizurekit::Float16)                                                                  \
  DO(initial_gradient, float32, float)                                                                                \
  DO(initial_gradient, bfloat16, seizurekit::BFloat16)                                                                \
  DO(initial_gradient, float16, seizurekit::Float16)                                                                  \
  DO(update, float32, float)                                                                                          \
  DO(update, bfloat16, seizurekit::BFloat16)                                                                          \
  DO(update, float16, seizurekit::Float16)
// clang-format on

#define SEIZUREKIT_TILED(operation, type, layout, access, ...)                          \
  extern "C" __global__ void __launch_bounds__(seizurekit::max_threads, 4)              \
      operation##_##type##_##layout##_##access(const seizurekit::Arguments arguments) { \
    seizurekit::operation<__VA_ARGS__>(arguments);                                      \
  }

#define SEIZUREKIT_SMALL(operation, type, T)                               \
  extern "C" __global__ void __launch_bounds__(seizurekit::max_threads, 4) \
      operation##_##type(const seizurekit::Arguments arguments) {          \
    seizurekit::operation<T>(arguments);                                   \
  }

SEIZUREKIT_EACH_TILED_KERNEL(SEIZUREKIT_TILED)
SEIZUREKIT_EACH_SMALL_KERNEL(SEIZUREKIT_SMALL)
