// Sums of dweight and dbias in a fixed order: each block writes a row of `partial`, then the rows are added.
#pragma once

#include "cuda_arguments.cuh"

namespace seizurekit {

constexpr int sum_count = max_taps + 1;

// Adds the sums of all threads of a block that have the same channels, as a tree.
template <int Channels>
__device__ void write_sums(const Arguments& a, Index channel, const float (&sums)[Channels][sum_count]) {
  __shared__ float shared[Channels * sum_count][max_threads];
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < Channels * sum_count; ++i) shared[i][thread] = sums[i / sum_count][i % sum_count];
#pragma unroll 1
  for (int half = static_cast<int>(blockDim.x) / 2; half >= a.channel_lanes; half /= 2) {
    __syncthreads();
    if (thread < half) {
#pragma unroll
      for (int i = 0; i < Channels * sum_count; ++i) shared[i][thread] += shared[i][thread + half];
    }
  }
  if (thread >= a.channel_lanes || channel >= a.channels) return;
  float* row = a.partial + blockIdx.x % a.splits * sum_count * a.channels + channel;
#pragma unroll
  for (int i = 0; i < Channels * sum_count; ++i) row[i % sum_count * a.channels + i / sum_count] = shared[i][thread];
}

// dweight and dbias; a block computes 32 channels. T is the type of weight.
template <typename T>
__device__ void add_partial_sums(const Arguments& a) {
  constexpr int lanes = 32;
  constexpr int rows = max_threads / lanes;
  __shared__ float shared[sum_count][rows][lanes];
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const int first = static_cast<int>(threadIdx.x) / lanes;
  const Index channel = static_cast<Index>(blockIdx.x) * lanes + lane;
  float sums[sum_count] = {};
  if (channel < a.channels) {
#pragma unroll 4
    for (Index row = first; row < a.splits; row += rows) {
#pragma unroll
      for (int i = 0; i < sum_count; ++i) sums[i] += a.partial[(row * sum_count + i) * a.channels + channel];
    }
  }
#pragma unroll
  for (int i = 0; i < sum_count; ++i) shared[i][first][lane] = sums[i];
  __syncthreads();
  if (first != 0 || channel >= a.channels) return;
#pragma unroll
  for (int i = 0; i < sum_count; ++i) {
    float sum = 0.0f;
#pragma unroll
    for (int row = 0; row < rows; ++row) sum += shared[i][row][lane];
    const int tap = i < max_taps ? Filter<T, 1>::tap_at(a, i) : -1;
    if (tap >= 0 && tap < a.width) static_cast<T*>(a.dweight)[channel * a.width + tap] = from_float<T>(sum);
    if (i == max_taps && a.dbias != nullptr) static_cast<T*>(a.dbias)[channel] = from_float<T>(sum);
  }
}

}  // namespace seizurekit
