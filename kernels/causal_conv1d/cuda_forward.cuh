// y and the final state, in one pass over memory.
#pragma once

#include "cuda_tiles.cuh"

namespace seizurekit {

template <typename T>
__device__ void write_final(const Arguments& a, Index batch, Index channel) {
  const auto x = input_of<T>(a, batch, channel);
  const int states = states_of(a);
  T* final_state = static_cast<T*>(a.states) + (batch * a.channels + channel) * states;
  for (int s = 0; s < states; ++s) {
    final_state[s] = x.at(a.reverse != 0 ? states - 1 - s : a.length - states + s);
  }
}

template <typename T>
__device__ T activate(const Arguments& a, float pre) {
  return from_float<T>(a.silu != 0 ? pre * sigmoid(pre) : pre);
}

template <typename T, int Vector, int Times>
__device__ void forward_tile(Row<T, Vector, Times>, const Arguments& a, Index batch, Index channel, Time time,
                             const Filter<T, 1>& filter) {
  T x[Times + halo];
  T y[Times];
  load_with_halo<Row<T, Vector, Times>>(input_of<T>(a, batch, channel), time, a.reverse == 0, x);
#pragma unroll
  for (int n = 0; n < Times; ++n) {
    y[n] = activate<T>(a, filter.apply(0, [&](int j) { return to_float(x[n + j]); }));
  }
  store_row<Row<T, Vector, Times>>(a, offset<T>(a.out, a.out_strides, batch, channel), time, y);
}

template <typename T, int Channels, int Batch>
__device__ void forward_tile(Columns<T, Channels, Batch>, const Arguments& a, Index batch, Index channel, Time time,
                             const Filter<T, Channels>& filter) {
  const auto signal = input_of<T>(a, batch, channel);
  T* out = offset<T>(a.out, a.out_strides, batch, channel);
  const Time first = time - lead_of(a);
  Pack<T, Channels> x[Batch + halo];
  load_columns<halo>(signal, first, x);
#pragma unroll 1
  for (Time n = 0; n < a.run; n += Batch) {
    load_columns<Batch>(signal, first + halo + n, x + halo);
#pragma unroll
    for (int i = 0; i < Batch; ++i) {
      Pack<T, Channels> y;
#pragma unroll
      for (int c = 0; c < Channels; ++c) {
        y.at[c] = activate<T>(a, filter.apply(c, [&](int j) { return to_float(x[i + j].at[c]); }));
      }
      store_column(a, out, time + n + i, y);
    }
#pragma unroll
    for (int i = 0; i < halo; ++i) x[i] = x[i + Batch];
  }
}

template <typename Shape>
__device__ void forward(const Arguments& a) {
  using T = typename Shape::T;
  Walk<Shape::channels> walk(a);
  if (!walk.has_channel(a)) return;
  const Filter<T, Shape::channels> filter(a, walk.channel);
#pragma unroll 1
  for (; walk.has_tile(a); walk.advance(a)) {
    forward_tile(Shape{}, a, walk.batch, walk.channel, walk.time(a), filter);
    if (walk.tile != 0) continue;
#pragma unroll 1
    for (int c = 0; c < Shape::channels; ++c) write_final<T>(a, walk.batch, walk.channel + c);
  }
}

}  // namespace seizurekit
