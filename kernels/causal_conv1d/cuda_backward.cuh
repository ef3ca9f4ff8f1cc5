// dx and partial sums of dweight and dbias, in one pass over memory. The order of all additions is fixed, so gradients
// are the same in every run.
#pragma once

#include "cuda_sums.cuh"
#include "cuda_tiles.cuh"

namespace seizurekit {

// dpre[m] is the gradient of pre at time `time - halo + lead + m`. It depends on x from `time - halo + m` to `time +
// m`. dx of sample n of the tile depends on dpre[n] to dpre[n + halo], in both directions. The tile adds only its own
// dpre, which start with this one, to the sums; its neighbours add the others.
__device__ inline int first_own(const Arguments& a) { return halo - lead_of(a); }

template <typename T, int Channels, typename Sample>
__device__ float dpre_of(const Arguments& a, const Filter<T, Channels>& filter, int c, T dy, Sample sample) {
  const float gradient = to_float(dy);
  return a.silu != 0 ? gradient * silu_slope(filter.apply(c, sample)) : gradient;
}

template <typename Sample>
__device__ void add_to(float (&sums)[max_taps + 1], float dpre, Sample sample) {
#pragma unroll
  for (int j = 0; j < max_taps; ++j) sums[j] = fmaf(dpre, sample(j), sums[j]);
  sums[max_taps] += dpre;
}

// dx before rounding; dpre(j) returns that of the output which slot j computed from the sample.
template <typename T, int Channels, typename Dpre>
__device__ float dx_of(const Filter<T, Channels>& filter, int c, float sum, Dpre dpre) {
#pragma unroll
  for (int j = 0; j < max_taps; ++j) {
    if (filter.used(j)) sum = fmaf(filter.slot[c][j], dpre(j), sum);
  }
  return sum;
}

template <typename T, int Vector, int Times>
__device__ void backward_tile(Row<T, Vector, Times>, const Arguments& a, Index batch, Index channel, Time time,
                              const Filter<T, 1>& filter, float (&sums)[1][max_taps + 1]) {
  using Shape = Row<T, Vector, Times>;
  T x[Times + 2 * halo];
  T dy[Times + halo];
  T dx[Times];
  float dpre[Times + halo];
  load_with_halos<Shape>(input_of<T>(a, batch, channel), time, x);
  load_with_halo<Shape>(gradient_of<T>(a, batch, channel), time, a.reverse != 0, dy);
  const int own = first_own(a);
#pragma unroll
  for (int m = 0; m < Times + halo; ++m) {
    const auto sample = [&](int j) { return to_float(x[m + j]); };
    dpre[m] = dpre_of(a, filter, 0, dy[m], sample);
    add_to(sums[0], m >= own && m < own + Times ? dpre[m] : 0.0f, sample);
  }
#pragma unroll
  for (int n = 0; n < Times; ++n) {
    const T* dfinal = final_gradient<T>(a, batch, channel, time + n);
    const float sum = dfinal == nullptr ? 0.0f : to_float(*dfinal);
    dx[n] = from_float<T>(dx_of(filter, 0, sum, [&](int j) { return dpre[n + halo - j]; }));
  }
  store_row<Shape>(a, offset<T>(a.out, a.out_strides, batch, channel), time, dx);
}

template <typename T, int Channels, int Batch>
__device__ void backward_tile(Columns<T, Channels, Batch>, const Arguments& a, Index batch, Index channel, Time time,
                              const Filter<T, Channels>& filter, float (&sums)[Channels][max_taps + 1]) {
  const auto signal = input_of<T>(a, batch, channel);
  const auto gradient = gradient_of<T>(a, batch, channel);
  T* out = offset<T>(a.out, a.out_strides, batch, channel);
  const int own = first_own(a);
  Pack<T, Channels> x[Batch + halo];
  Pack<T, Channels> dy[Batch];
  float dpre[max_taps][Channels] = {};
  load_columns<halo>(signal, time - halo, x);
#pragma unroll 1
  for (Time first = 0; first < a.run + halo; first += Batch) {
    load_columns<Batch>(signal, time + first, x + halo);
    load_columns<Batch>(gradient, time - own + first, dy);
#pragma unroll
    for (int i = 0; i < Batch; ++i) {
      const Time m = first + i;
      const Time n = m - halo;
      const T* dfinal = final_gradient<T>(a, batch, channel, time + n);
      Pack<T, Channels> dx =
          dfinal == nullptr ? Pack<T, Channels>{} : *reinterpret_cast<const Pack<T, Channels>*>(dfinal);
#pragma unroll
      for (int c = 0; c < Channels; ++c) {
        const auto sample = [&](int j) { return to_float(x[i + j].at[c]); };
#pragma unroll
        for (int j = halo; j > 0; --j) dpre[j][c] = dpre[j - 1][c];
        dpre[0][c] = dpre_of(a, filter, c, dy[i].at[c], sample);
        add_to(sums[c], m >= own && m < own + a.run ? dpre[0][c] : 0.0f, sample);
        dx.at[c] = from_float<T>(dx_of(filter, c, to_float(dx.at[c]), [&](int j) { return dpre[j][c]; }));
      }
      if (n >= 0 && n < a.run) store_column(a, out, time + n, dx);
    }
#pragma unroll
    for (int i = 0; i < halo; ++i) x[i] = x[i + Batch];
  }
}

template <typename Shape>
__device__ void backward(const Arguments& a) {
  Walk<Shape::channels> walk(a);
  float sums[Shape::channels][max_taps + 1] = {};
  if (walk.has_channel(a)) {
    const Filter<typename Shape::T, Shape::channels> filter(a, walk.channel);
#pragma unroll 1
    for (; walk.has_tile(a); walk.advance(a)) {
      backward_tile(Shape{}, a, walk.batch, walk.channel, walk.time(a), filter, sums);
    }
  }
  write_sums(a, walk.channel, sums);
}

}  // namespace seizurekit
