// The gradient of the initial state, and the single step for streaming. A thread computes one channel of one batch
// entry.
#pragma once

#include "cuda_tiles.cuh"

namespace seizurekit {

__device__ inline Index thread_index() { return static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; }

template <typename T>
__device__ float dpre_at(const Arguments& a, const Filter<T, 1>& filter, Index batch, Index channel, Time time) {
  const float dy = to_float(gradient_of<T>(a, batch, channel).at(time));
  if (a.silu == 0) return dy;
  const auto x = input_of<T>(a, batch, channel);
  return dy * silu_slope(filter.apply(0, [&](int j) { return to_float(x.at(time - lead_of(a) + j)); }));
}

template <typename T>
__device__ void initial_gradient(const Arguments& a) {
  const Index row = thread_index();
  if (row >= a.batch * a.channels) return;
  const Index batch = row / a.channels;
  const Index channel = row % a.channels;
  const int states = states_of(a);
  const Filter<T, 1> filter(a, channel);
#pragma unroll 1
  for (int s = 0; s < states; ++s) {
    const Time position = a.reverse != 0 ? a.length + states - 1 - s : s - states;
    const T* dfinal = final_gradient<T>(a, batch, channel, position);
    float sum = dfinal == nullptr ? 0.0f : to_float(*dfinal);
#pragma unroll 1
    for (int j = 0; j < max_taps; ++j) {
      const Time time = position + lead_of(a) - j;
      if (filter.used(j) && time >= 0 && time < a.length) {
        const float weight = filter.weight_at(a, a.weight, channel * a.width + filter.tap_at(a, j));
        sum = fmaf(weight, dpre_at(a, filter, batch, channel, time), sum);
      }
    }
    static_cast<T*>(a.states)[row * states + s] = from_float<T>(sum);
  }
}

template <typename T>
__device__ void update(const Arguments& a) {
  const Index row = thread_index();
  if (row >= a.batch * a.channels) return;
  const Index batch = row / a.channels;
  const Index channel = row % a.channels;
  const T x = static_cast<const T*>(a.x)[batch * a.x_strides.batch + channel * a.x_strides.channel];
  const Strides& strides = a.state_strides;
  T* state = static_cast<T*>(a.states) + batch * strides.batch + channel * strides.channel;
  const Filter<T, 1> filter(a, channel);
  const float pre = filter.apply(
      0, [&](int j) { return to_float(j == halo ? x : state[(a.state_columns - halo + j) * strides.time]); });
  for (Index n = 0; n + 1 < a.state_columns; ++n) state[n * strides.time] = state[(n + 1) * strides.time];
  state[(a.state_columns - 1) * strides.time] = x;
  const float y = a.silu != 0 ? pre * sigmoid(pre) : pre;
  static_cast<T*>(a.out)[batch * a.out_strides.batch + channel * a.out_strides.channel] = from_float<T>(y);
}

}  // namespace seizurekit
