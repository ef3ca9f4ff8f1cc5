// The argument of every kernel, the part of the work that a thread does, and the filters.
#pragma once

#include "cuda_types.cuh"

namespace seizurekit {

using Index = long long;  // of elements
using Time = int;         // cuda.py rejects longer signals

constexpr int max_taps = 4;  // of the widest filter
constexpr int halo = max_taps - 1;
constexpr int max_threads = 128;  // per block; a power of two

// Strides of a tensor in elements.
struct Strides {
  Index batch;
  Index channel;
  Index time;
};

// The structure of the same name in cuda_arguments.py; a tensor that is None is a null pointer.
struct Arguments {
  const void* x;
  const void* weight;   // [D, W] contiguous
  const void* bias;     // [D]
  const void* initial;  // [B, D, S]
  const void* dy;
  const void* dfinal;  // [B, D, S] contiguous
  void* out;           // y or dx
  void* states;        // final or dinitial [B, D, S] contiguous; for update, the state [B, D, N]
  float* partial;      // [splits, max_taps + 1, D]: sums of dweight, by slot of the tap, and of dbias
  void* dweight;       // [D, W] contiguous
  void* dbias;         // [D]
  Index batch;
  Index channels;
  Strides x_strides;
  Strides initial_strides;  // of initial and dfinal, which have x's dimension innermost
  Strides dy_strides;
  Strides out_strides;
  Strides state_strides;  // of the state of update; `time` is the stride of its columns
  Index state_columns;
  Index tiles;   // per channel and batch entry
  Index splits;  // blocks that share the tiles of a group of channels
  Time length;
  Time run;  // samples of a tile
  int width;
  int silu;
  int reverse;
  int weight_is_float;  // otherwise it has x's type
  int channel_lanes;    // neighbouring threads that compute neighbouring channels; a power of two
};

__device__ inline int states_of(const Arguments& a) { return a.width - 1; }

// Visits the tiles of a thread: its channels, all batch entries and times of its split.
template <int Channels>
struct Walk {
  Index channel;  // the first one of the thread
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

// The filters of some channels. A filter has max_taps slots, and slot j weighs sample t - lead + j:
// pre[t] = bias + sum of slot[j] * xe[t - lead + j]. The direction only changes which slots have taps.
template <typename T, int Channels>
struct Filter {
  float slot[Channels][max_taps];
  float bias[Channels];
  unsigned int used_slots;  // a bit for each slot that has a tap

  __device__ Filter(const Arguments& a, Index channel) {
    used_slots = ((1u << a.width) - 1u) << (a.reverse != 0 ? 0 : max_taps - a.width);
#pragma unroll
    for (int c = 0; c < Channels; ++c) {
      bias[c] = a.bias == nullptr ? 0.0f : weight_at(a, a.bias, channel + c);
#pragma unroll
      for (int j = 0; j < max_taps; ++j) {
        slot[c][j] = used(j) ? weight_at(a, a.weight, (channel + c) * a.width + tap_at(a, j)) : 0.0f;
      }
    }
  }

  __device__ bool used(int j) const { return (used_slots >> j & 1u) != 0; }

  // The tap in a slot, negative if there is none.
  __device__ static int tap_at(const Arguments& a, int j) {
    return a.reverse != 0 ? a.width - 1 - j : j - (max_taps - a.width);
  }

  __device__ static float weight_at(const Arguments& a, const void* weights, Index i) {
    return a.weight_is_float != 0 ? static_cast<const float*>(weights)[i] : to_float(static_cast<const T*>(weights)[i]);
  }

  // The sum before the activation; sample(j) returns the sample of slot j.
  template <typename Sample>
  __device__ float apply(int c, Sample sample) const {
    float sum = bias[c];
#pragma unroll
    for (int j = 0; j < max_taps; ++j) {
      if (used(j)) sum = fmaf(slot[c][j], sample(j), sum);
    }
    return sum;
  }
};

// The number of samples from slot 0 to the output.
__device__ inline int lead_of(const Arguments& a) { return a.reverse != 0 ? 0 : halo; }

// The derivative of SiLU.
__device__ inline float silu_slope(float pre) {
  const float s = sigmoid(pre);
  return s * fmaf(pre, 1.0f - s, 1.0f);
}

}  // namespace seizurekit
