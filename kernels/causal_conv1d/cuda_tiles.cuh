// Samples of a tile, from memory to registers and back: 16 bytes at once where the layout and the alignment allow it.
#pragma once

#include "cuda_arguments.cuh"

namespace seizurekit {

// A tile with L innermost: Times samples of one channel, Vector of them to an access. With Vector above 1 the length,
// the strides and the addresses are multiples of Vector.
template <typename Sample, int VectorOf, int TimesOf>
struct Row {
  using T = Sample;
  static constexpr int kVector = VectorOf;
  static constexpr int kTimes = TimesOf;
  static constexpr int kChannels = 1;
  static_assert(kTimes % kVector == 0);
};

// A tile with D innermost: Channels samples to an access, Batch times in flight, as many times as the run says. With
// Channels above 1, D, the strides and the addresses are multiples of Channels.
template <typename Sample, int ChannelsOf, int BatchOf>
struct Columns {
  using T = Sample;
  static constexpr int kChannels = ChannelsOf;
  static constexpr int kBatch = BatchOf;
};

// Some channels of one batch entry, with the initial state before them (after them, in reverse) and zeros around.
template <typename T>
struct Signal {
  const T* samples;
  const T* initial;
  Index time_stride;
  Index initial_stride;
  Time length;
  int states;
  bool reverse;

  // Where a time's samples lie; null for the zeros.
  __device__ const T* place(Time time) const {
    if (time >= 0 && time < length) return samples + time * time_stride;
    const Time column = reverse ? states - 1 - (time - length) : states + time;
    if (initial == nullptr || column < 0 || column >= states) return nullptr;
    return initial + column * initial_stride;
  }

  __device__ T at(Time time) const {
    const T* sample = place(time);
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

// What the final state's gradient adds to a time's samples; null for nothing.
template <typename T>
__device__ const T* final_gradient(const Arguments& a, Index batch, Index channel, Time time) {
  const Time column = a.reverse != 0 ? states_of(a) - 1 - time : time - (a.length - states_of(a));
  if (a.dfinal == nullptr || column < 0 || column >= states_of(a)) return nullptr;
  return offset<T>(a.dfinal, a.initial_strides, batch, channel) + column * a.initial_strides.time;
}

// Vector samples of a row, `time` being a multiple of Vector.
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

// Count samples of a row, from `time` on.
template <int Vector, int Count, typename T>
__device__ void load_row(const Signal<T>& row, Time time, T* values) {
#pragma unroll
  for (int k = 0; k < Count; k += Vector) {
    const auto pack = chunk<Vector>(row, time + k);
#pragma unroll
    for (int i = 0; i < Vector; ++i) values[k + i] = pack.at[i];
  }
}

// A row's tile and the halo before it, or else after it.
template <typename Shape, typename T>
__device__ void load_beside(const Signal<T>& row, Time time, bool before, T (&values)[Shape::kTimes + kHalo]) {
  constexpr int kTimes = Shape::kTimes;
  if constexpr (Shape::kVector > 1) {
    T own[kTimes];
    load_row<Shape::kVector, kTimes>(row, time, own);
    const auto beside = chunk<Shape::kVector>(row, before ? time - Shape::kVector : time + kTimes);
#pragma unroll
    for (int i = 0; i < kTimes + kHalo; ++i) {
      const T late =
          i < kHalo ? beside.at[Shape::kVector - kHalo + (i < kHalo ? i : 0)] : own[i < kHalo ? 0 : i - kHalo];
      const T early = i < kTimes ? own[i < kTimes ? i : 0] : beside.at[i < kTimes ? 0 : i - kTimes];
      values[i] = before ? late : early;
    }
  } else {
    load_row<1, kTimes + kHalo>(row, before ? time - kHalo : time, values);
  }
}

// A row's tile and the halos on both of its sides.
template <typename Shape, typename T>
__device__ void load_around(const Signal<T>& row, Time time, T (&values)[Shape::kTimes + 2 * kHalo]) {
  constexpr int kTimes = Shape::kTimes;
  if constexpr (Shape::kVector > 1) {
    const auto before = chunk<Shape::kVector>(row, time - Shape::kVector);
    const auto after = chunk<Shape::kVector>(row, time + kTimes);
    load_row<Shape::kVector, kTimes>(row, time, values + kHalo);
#pragma unroll
    for (int i = 0; i < kHalo; ++i) {
      values[i] = before.at[Shape::kVector - kHalo + i];
      values[kHalo + kTimes + i] = after.at[i];
    }
  } else {
    load_row<1, kTimes + 2 * kHalo>(row, time - kHalo, values);
  }
}

// Writes a row's tile, as far as the signal goes.
template <typename Shape, typename T>
__device__ void store_row(const Arguments& a, T* row, Time time, const T (&values)[Shape::kTimes]) {
#pragma unroll
  for (int n = 0; n < Shape::kTimes; n += Shape::kVector) {
    if (time + n >= a.length) return;
    Pack<T, Shape::kVector> pack;
#pragma unroll
    for (int i = 0; i < Shape::kVector; ++i) pack.at[i] = values[n + i];
    *reinterpret_cast<Pack<T, Shape::kVector>*>(row + (time + n) * a.out_strides.time) = pack;
  }
}

// Count times from `time` on, all of the channels at once.
template <int Count, int Channels, typename T>
__device__ void load_columns(const Signal<T>& signal, Time time, Pack<T, Channels>* values) {
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    const T* samples = signal.place(time + i);
    values[i] = samples == nullptr ? Pack<T, Channels>{} : *reinterpret_cast<const Pack<T, Channels>*>(samples);
  }
}

// The i-th four bytes of a pack.
template <int Channels, typename T>
__device__ unsigned int word_of(const Pack<T, Channels>& values, int i) {
  if constexpr (sizeof(T) == 4) {
    return __float_as_uint(values.at[i]);
  } else {
    return values.at[2 * i].bits | static_cast<unsigned int>(values.at[2 * i + 1].bits) << 16;
  }
}

// Where accesses are wide, in so many words: the compiler would else store values that it rounded one by one, one by one.
template <int Channels, typename T>
__device__ void store_column(const Arguments& a, T* out, Time time, const Pack<T, Channels>& values) {
  if (time >= a.length) return;
  T* place = out + time * a.out_strides.time;
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(values) == 16) {
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(place)),
                 "r"(word_of(values, 0)), "r"(word_of(values, 1)), "r"(word_of(values, 2)), "r"(word_of(values, 3))
                 : "memory");
    return;
  }
  if constexpr (sizeof(values) == 8) {
    asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(place)), "r"(word_of(values, 0)),
                 "r"(word_of(values, 1))
                 : "memory");
    return;
  }
#endif
  *reinterpret_cast<Pack<T, Channels>*>(place) = values;
}

}  // namespace seizurekit
