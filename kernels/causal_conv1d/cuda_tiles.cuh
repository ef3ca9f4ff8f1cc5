// Loads and stores of tiles, with 16-byte accesses where layout and alignment allow them.
#pragma once

#include "cuda_arguments.cuh"

namespace seizurekit {

// A tile with L innermost: `times` samples of one channel, `vector` samples per access. If vector > 1, the length,
// strides and addresses are multiples of it.
template <typename Sample, int VectorOf, int TimesOf>
struct Row {
  using T = Sample;
  static constexpr int vector = VectorOf;
  static constexpr int times = TimesOf;
  static constexpr int channels = 1;
  static_assert(times % vector == 0);
};

// A tile with D innermost: Arguments::run samples of `channels` channels, which an access moves at once; BatchOf
// accesses are in flight. If channels > 1, D, strides and addresses are multiples of it.
template <typename Sample, int ChannelsOf, int BatchOf>
struct Columns {
  using T = Sample;
  static constexpr int channels = ChannelsOf;
};

// Neighbouring channels of one batch entry, extended by the initial state on one side and by zeros.
template <typename T>
struct Signal {
  const T* samples;
  const T* initial;
  Index time_stride;
  Index initial_stride;
  Time length;
  int states;
  bool reverse;

  // Address of the samples at a time; null where they are zeros.
  __device__ const T* address(Time time) const {
    if (time >= 0 && time < length) return samples + time * time_stride;
    const Time column = reverse ? states - 1 - (time - length) : states + time;
    if (initial == nullptr || column < 0 || column >= states) return nullptr;
    return initial + column * initial_stride;
  }

  __device__ T at(Time time) const {
    const T* sample = address(time);
    return sample == nullptr ? T{} : *sample;
  }
};

template <typename T>
__device__ T* offset(const void* data, const Strides& strides, Index batch, Index channel) {
  return static_cast<T*>(const_cast<void*>(data)) + (batch * strides.batch + channel * strides.channel);
}

template <typename T>
__device__ Signal<T> input_of(const Arguments& a, Index batch, Index channel) {
  const T* initial = a.initial == nullptr ? nullptr : offset<T>(a.initial, a.initial_strides, batch, channel);
  return {offset<T>(a.x, a.x_strides, batch, channel),
          initial,
          a.x_strides.time,
          a.initial_strides.time,
          a.length,
          states_of(a),
          a.reverse != 0};
}

template <typename T>
__device__ Signal<T> gradient_of(const Arguments& a, Index batch, Index channel) {
  return {offset<T>(a.dy, a.dy_strides, batch, channel), nullptr, a.dy_strides.time, 0, a.length, 0, a.reverse != 0};
}

// Address of the gradient that the final state adds at a time; null if none.
template <typename T>
__device__ const T* final_gradient(const Arguments& a, Index batch, Index channel, Time time) {
  const Time column = a.reverse != 0 ? states_of(a) - 1 - time : time - (a.length - states_of(a));
  if (a.dfinal == nullptr || column < 0 || column >= states_of(a)) return nullptr;
  return offset<T>(a.dfinal, a.initial_strides, batch, channel) + column * a.initial_strides.time;
}

// Vector samples of a row; `time` is a multiple of Vector.
template <int Vector, typename T>
__device__ Pack<T, Vector> chunk(const Signal<T>& row, Time time) {
  if constexpr (Vector > 1) {
    if (time >= 0 && time < row.length) return *reinterpret_cast<const Pack<T, Vector>*>(row.samples + time);
  }
  Pack<T, Vector> values;
#pragma unroll
  for (int i = 0; i < Vector; ++i) values.at[i] = row.at(time + i);
  return values;
}

// Loads Count samples of a row, starting at `time`.
template <int Vector, int Count, typename T>
__device__ void load_row(const Signal<T>& row, Time time, T* values) {
#pragma unroll
  for (int k = 0; k < Count; k += Vector) {
    const auto pack = chunk<Vector>(row, time + k);
#pragma unroll
    for (int i = 0; i < Vector; ++i) values[k + i] = pack.at[i];
  }
}

// Loads a tile of a row with the halo on one side.
template <typename Shape, typename T>
__device__ void load_with_halo(const Signal<T>& row, Time time, bool before, T (&values)[Shape::times + halo]) {
  constexpr int times = Shape::times;
  if constexpr (Shape::vector > 1) {
    T own[times];
    load_row<Shape::vector, times>(row, time, own);
    const auto neighbour = chunk<Shape::vector>(row, before ? time - Shape::vector : time + times);
#pragma unroll
    for (int i = 0; i < times + halo; ++i) {
      const T late = i < halo ? neighbour.at[Shape::vector - halo + (i < halo ? i : 0)] : own[i < halo ? 0 : i - halo];
      const T early = i < times ? own[i < times ? i : 0] : neighbour.at[i < times ? 0 : i - times];
      values[i] = before ? late : early;
    }
  } else {
    load_row<1, times + halo>(row, before ? time - halo : time, values);
  }
}

// Loads a tile of a row with the halos on both sides.
template <typename Shape, typename T>
__device__ void load_with_halos(const Signal<T>& row, Time time, T (&values)[Shape::times + 2 * halo]) {
  constexpr int times = Shape::times;
  if constexpr (Shape::vector > 1) {
    const auto before = chunk<Shape::vector>(row, time - Shape::vector);
    const auto after = chunk<Shape::vector>(row, time + times);
    load_row<Shape::vector, times>(row, time, values + halo);
#pragma unroll
    for (int i = 0; i < halo; ++i) {
      values[i] = before.at[Shape::vector - halo + i];
      values[halo + times + i] = after.at[i];
    }
  } else {
    load_row<1, times + 2 * halo>(row, time - halo, values);
  }
}

// Stores a tile of a row up to the end of the signal.
template <typename Shape, typename T>
__device__ void store_row(const Arguments& a, T* row, Time time, const T (&values)[Shape::times]) {
#pragma unroll
  for (int n = 0; n < Shape::times; n += Shape::vector) {
    if (time + n >= a.length) return;
    Pack<T, Shape::vector> pack;
#pragma unroll
    for (int i = 0; i < Shape::vector; ++i) pack.at[i] = values[n + i];
    *reinterpret_cast<Pack<T, Shape::vector>*>(row + (time + n) * a.out_strides.time) = pack;
  }
}

// Loads the channels of Count samples, starting at `time`.
template <int Count, int Channels, typename T>
__device__ void load_columns(const Signal<T>& signal, Time time, Pack<T, Channels>* values) {
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    const T* samples = signal.address(time + i);
    values[i] = samples == nullptr ? Pack<T, Channels>{} : *reinterpret_cast<const Pack<T, Channels>*>(samples);
  }
}

// Word i (4 bytes) of a pack.
template <int Channels, typename T>
__device__ unsigned int word_of(const Pack<T, Channels>& values, int i) {
  if constexpr (sizeof(T) == 4) {
    return __float_as_uint(values.at[i]);
  } else {
    return values.at[2 * i].bits | static_cast<unsigned int>(values.at[2 * i + 1].bits) << 16;
  }
}

// Stores one sample of the channels. Assembly, because the compiler would split the store of rounded 16-bit values.
template <int Channels, typename T>
__device__ void store_column(const Arguments& a, T* out, Time time, const Pack<T, Channels>& values) {
  if (time >= a.length) return;
  T* address = out + time * a.out_strides.time;
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(values) == 16) {
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(address)),
                 "r"(word_of(values, 0)), "r"(word_of(values, 1)), "r"(word_of(values, 2)), "r"(word_of(values, 3))
                 : "memory");
    return;
  }
  if constexpr (sizeof(values) == 8) {
    asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(address)), "r"(word_of(values, 0)),
                 "r"(word_of(values, 1))
                 : "memory");
    return;
  }
#endif
  *reinterpret_cast<Pack<T, Channels>*>(address) = values;
}

}  // namespace seizurekit
