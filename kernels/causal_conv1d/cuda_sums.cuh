// Sums of dweight and dbias: of a block into its row of `partial`, then of those rows, each in a fixed order.
#pragma once

#include "cuda_arguments.cuh"

namespace seizurekit {

constexpr int kSums = kTaps + 1;

// Adds up a block's threads of equal channels, in the order of a tree.
template <int Channels>
__device__ void write_sums(const Arguments& a, Index channel, const float (&sums)[Channels][kSums]) {
  __shared__ float shared[Channels * kSums][kThreads];
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < Channels * kSums; ++i) shared[i][thread] = sums[i / kSums][i % kSums];
#pragma unroll 1
  for (int half = static_cast<int>(blockDim.x) / 2; half >= a.channel_lanes; half /= 2) {
    __syncthreads();
    if (thread < half) {
#pragma unroll
      for (int i = 0; i < Channels * kSums; ++i) shared[i][thread] += shared[i][thread + half];
    }
  }
  if (thread >= a.channel_lanes || channel >= a.channels) return;
  float* row = a.partial + blockIdx.x % a.splits * kSums * a.channels + channel;
#pragma unroll
  for (int i = 0; i < Channels * kSums; ++i) row[i % kSums * a.channels + i / kSums] = shared[i][thread];
}

// dweight and dbias of 32 channels a block; T is weight's type.
template <typename T>
__device__ void add_partial_sums(const Arguments& a) {
  constexpr int kLanes = 32;
  constexpr int kRows = kThreads / kLanes;
  __shared__ float shared[kSums][kRows][kLanes];
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int first = static_cast<int>(threadIdx.x) / kLanes;
  const Index channel = static_cast<Index>(blockIdx.x) * kLanes + lane;
  float sums[kSums] = {};
  if (channel < a.channels) {
#pragma unroll 4
    for (Index row = first; row < a.splits; row += kRows) {
#pragma unroll
      for (int i = 0; i < kSums; ++i) sums[i] += a.partial[(row * kSums + i) * a.channels + channel];
    }
  }
#pragma unroll
  for (int i = 0; i < kSums; ++i) shared[i][first][lane] = sums[i];
  __syncthreads();
  if (first != 0 || channel >= a.channels) return;
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    float sum = 0.0f;
#pragma unroll
    for (int row = 0; row < kRows; ++row) sum += shared[i][row][lane];
    const int tap = i < kTaps ? Filter<T, 1>::tap_at(a, i) : -1;
    if (tap >= 0 && tap < a.width) static_cast<T*>(a.dweight)[channel * a.width + tap] = from_float<T>(sum);
    if (i == kTaps && a.dbias != nullptr) static_cast<T*>(a.dbias)[channel] = from_float<T>(sum);
  }
}

}  // namespace seizurekit
