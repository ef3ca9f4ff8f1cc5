// What every kernel is given, and which part of it a thread computes.
#pragma once

#include "cuda_numbers.cuh"

namespace seizurekit {

using Index = long long;  // of elements
using Time = int;         // cuda_plan.py refuses longer signals

constexpr int kTaps = 4;  // the widest filter; narrower ones leave taps out
constexpr int kHalo = kTaps - 1;
constexpr int kThreads = 128;  // of a block, at most; a power of two

// A tensor's strides in elements.
struct Strides {
  Index batch;
  Index channel;
  Index time;
};

// cuda_library.py has the same structure; a null pointer stands for an argument that is not there.
struct Arguments {
  const void* x;
  const void* weight;   // [D, W] contiguous
  const void* bias;     // [D]
  const void* initial;  // [B, D, S]
  const void* dy;
  const void* dfinal;  // [B, D, S] contiguous
  void* out;           // y or dx
  void* states;        // final or dinitial [B, D, S] contiguous; of update, the state [B, D, N]
  float* partial;      // [splits, kTaps + 1, D]: sums of dweight, by place of the tap, and of dbias
  void* dweight;       // [D, W] contiguous
  void* dbias;         // [D]
  Index batch;
  Index channels;
  Strides x_strides;
  Strides initial_strides;  // of initial and dfinal, which have x's dimension innermost
  Strides dy_strides;
  Strides out_strides;
  Strides state_strides;  // of update's state, `time` being that of its columns
  Index state_columns;
  Index tiles;   // of a channel's length
  Index splits;  // blocks that share a group of channels' tiles
  Time length;
  Time run;  // times of a tile
  int width;
  int silu;
  int reverse;
  int weight_is_float;  // else of x's type
  int channel_lanes;    // neighbouring threads that take neighbouring channels; a power of two
};

__device__ inline int states_of(const Arguments& a) { return a.width - 1; }

// The tiles of a thread, one after the other: of all batch entries and times of its channels, those of its split.
template <int Channels>
struct Walk {
  Index channel;  // the thread's first
  Index batch;
  Index tile;

  __device__ explicit Walk(const Arguments& a) {
    const int lane = static_cast<int>(threadIdx.x) % a.channel_lanes;
    const int item_lanes = static_cast<int>(blockDim.x) / a.channel_lanes;
    const Index group = blockIdx.x / a.splits;
    const Index split = blockIdx.x % a.splits;
    channel = (group * a.channel_lanes + lane) * Channels;
    const Index first = split * item_lanes + static_cast<int>(threadIdx.x) / a.channel_lanes;
    const Index step = a.splits * item_lanes;
    batch = first / a.tiles;
    tile = first % a.tiles;
    batch_step_ = step / a.tiles;
    tile_step_ = step % a.tiles;
  }

  __device__ bool has_channel(const Arguments& a) const { return channel < a.channels; }
  __device__ bool has_tile(const Arguments& a) const { return batch < a.batch; }
  __device__ Time time(const Arguments& a) const { return static_cast<Time>(tile * a.run); }

  __device__ void advance(const Arguments& a) {
    batch += batch_step_;
    tile += tile_step_;
    if (tile >= a.tiles) {
      tile -= a.tiles;
      ++batch;
    }
  }

 private:
  Index batch_step_;
  Index tile_step_;
};

// The filters of some channels. place[j] weighs the sample j places after the earliest that any filter of kTaps reads,
// so that the direction only changes where taps lie: pre[t] = bias + sum of place[j] * xe[t - lead + j].
template <typename T, int Channels>
struct Filter {
  float place[Channels][kTaps];
  float bias[Channels];
  unsigned int places;  // a bit for each that has a tap

  __device__ Filter(const Arguments& a, Index channel) {
    places = ((1u << a.width) - 1u) << (a.reverse != 0 ? 0 : kTaps - a.width);
#pragma unroll
    for (int c = 0; c < Channels; ++c) {
      bias[c] = a.bias == nullptr ? 0.0f : weight_at(a, a.bias, channel + c);
#pragma unroll
      for (int j = 0; j < kTaps; ++j) {
        place[c][j] = used(j) ? weight_at(a, a.weight, (channel + c) * a.width + tap_at(a, j)) : 0.0f;
      }
    }
  }

  __device__ bool used(int j) const { return (places >> j & 1u) != 0; }

  // The tap at a place, or a negative number.
  __device__ static int tap_at(const Arguments& a, int j) {
    return a.reverse != 0 ? a.width - 1 - j : j - (kTaps - a.width);
  }

  __device__ static float weight_at(const Arguments& a, const void* weights, Index i) {
    return a.weight_is_float != 0 ? static_cast<const float*>(weights)[i] : to_float(static_cast<const T*>(weights)[i]);
  }

  // Before the activation; sample(j) gives the one at place j.
  template <typename Sample>
  __device__ float apply(int c, Sample sample) const {
    float sum = bias[c];
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      if (used(j)) sum = fmaf(place[c][j], sample(j), sum);
    }
    return sum;
  }
};

// How far before an output the first of its places lies.
__device__ inline int lead_of(const Arguments& a) { return a.reverse != 0 ? 0 : kHalo; }

// What the SiLU's gradient is multiplied with.
__device__ inline float silu_slope(float pre) {
  const float s = sigmoid(pre);
  return s * fmaf(pre, 1.0f - s, 1.0f);
}

}  // namespace seizurekit
