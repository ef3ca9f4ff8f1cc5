// dx, and every block's sums of dweight and dbias, in one pass over memory. No order of additions is left to chance, so
// that the gradients are the same in every run.
#pragma once

#include "cuda_sums.cuh"
#include "cuda_tiles.cuh"

namespace seizurekit {

// dpre[m] is of the time `time - kHalo + lead + m`, so that it reads x at the places m to m + kHalo after
// `time - kHalo`, and the sample n of the tile gets its gradient from dpre[n] to dpre[n + kHalo], in both directions.
// Of them the tile itself owns those from this one on; the others are counted by its neighbours.
__device__ inline int first_own(const Arguments& a) { return kHalo - lead_of(a); }

template <typename T, int Channels, typename Sample>
__device__ float dpre_of(const Arguments& a, const Filter<T, Channels>& filter, int c, T dy, Sample sample) {
  const float gradient = to_float(dy);
  return a.silu != 0 ? gradient * silu_slope(filter.apply(c, sample)) : gradient;
}

template <typename Sample>
__device__ void add_to(float (&sums)[kTaps + 1], float dpre, Sample sample) {
#pragma unroll
  for (int j = 0; j < kTaps; ++j) sums[j] = fmaf(dpre, sample(j), sums[j]);
  sums[kTaps] += dpre;
}

// dx before rounding; dpre(j) gives that of the output which the tap at place j made of the sample.
template <typename T, int Channels, typename Dpre>
__device__ float dx_of(const Filter<T, Channels>& filter, int c, float sum, Dpre dpre) {
#pragma unroll
  for (int j = 0; j < kTaps; ++j) {
    if (filter.used(j)) sum = fmaf(filter.place[c][j], dpre(j), sum);
  }
  return sum;
}

template <typename T, int Vector, int Times>
__device__ void backward_tile(Row<T, Vector, Times>, const Arguments& a, Index batch, Index channel, Time time,
                              const Filter<T, 1>& filter, float (&sums)[1][kTaps + 1]) {
  using Shape = Row<T, Vector, Times>;
  T x[Times + 2 * kHalo];
  T dy[Times + kHalo];
  T dx[Times];
  float dpre[Times + kHalo];
  load_around<Shape>(input_of<T>(a, batch, channel), time, x);
  load_beside<Shape>(gradient_of<T>(a, batch, channel), time, a.reverse != 0, dy);
  const int own = first_own(a);
#pragma unroll
  for (int m = 0; m < Times + kHalo; ++m) {
    const auto sample = [&](int j) { return to_float(x[m + j]); };
    dpre[m] = dpre_of(a, filter, 0, dy[m], sample);
    add_to(sums[0], m >= own && m < own + Times ? dpre[m] : 0.0f, sample);
  }
#pragma unroll
  for (int n = 0; n < Times; ++n) {
    const T* dfinal = final_gradient<T>(a, batch, channel, time + n);
    const float sum = dfinal == nullptr ? 0.0f : to_float(*dfinal);
    dx[n] = from_float<T>(dx_of(filter, 0, sum, [&](int j) { return dpre[n + kHalo - j]; }));
  }
  store_row<Shape>(a, offset<T>(a.out, a.out_strides, batch, channel), time, dx);
}

template <typename T, int Channels, int Batch>
__device__ void backward_tile(Columns<T, Channels, Batch>, const Arguments& a, Index batch, Index channel, Time time,
                              const Filter<T, Channels>& filter, float (&sums)[Channels][kTaps + 1]) {
  const auto signal = input_of<T>(a, batch, channel);
  const auto gradient = gradient_of<T>(a, batch, channel);
  T* out = offset<T>(a.out, a.out_strides, batch, channel);
  const int own = first_own(a);
  Pack<T, Channels> x[Batch + kHalo];
  Pack<T, Channels> dy[Batch];
  float dpre[kTaps][Channels] = {};
  load_columns<kHalo>(signal, time - kHalo, x);
#pragma unroll 1
  for (Time first = 0; first < a.run + kHalo; first += Batch) {
    load_columns<Batch>(signal, time + first, x + kHalo);
    load_columns<Batch>(gradient, time - own + first, dy);
#pragma unroll
    for (int i = 0; i < Batch; ++i) {
      const Time m = first + i;
      const Time n = m - kHalo;
      const T* dfinal = final_gradient<T>(a, batch, channel, time + n);
      Pack<T, Channels> dx =
          dfinal == nullptr ? Pack<T, Channels>{} : *reinterpret_cast<const Pack<T, Channels>*>(dfinal);
#pragma unroll
      for (int c = 0; c < Channels; ++c) {
        const auto sample = [&](int j) { return to_float(x[i + j].at[c]); };
#pragma unroll
        for (int j = kHalo; j > 0; --j) dpre[j][c] = dpre[j - 1][c];
        dpre[0][c] = dpre_of(a, filter, c, dy[i].at[c], sample);
        add_to(sums[c], m >= own && m < own + a.run ? dpre[0][c] : 0.0f, sample);
        dx.at[c] = from_float<T>(dx_of(filter, c, to_float(dx.at[c]), [&](int j) { return dpre[j][c]; }));
      }
      if (n >= 0 && n < a.run) store_column(a, out, time + n, dx);
    }
#pragma unroll
    for (int i = 0; i < kHalo; ++i) x[i] = x[i + Batch];
  }
}

template <typename Shape>
__device__ void backward(const Arguments& a) {
  Walk<Shape::kChannels> walk(a);
  float sums[Shape::kChannels][kTaps + 1] = {};
  if (walk.has_channel(a)) {
    const Filter<typename Shape::T, Shape::kChannels> filter(a, walk.channel);
#pragma unroll 1
    for (; walk.has_tile(a); walk.advance(a)) {
      backward_tile(Shape{}, a, walk.batch, walk.channel, walk.time(a), filter, sums);
    }
  }
  write_sums(a, walk.channel, sums);
}

}  // namespace seizurekit
