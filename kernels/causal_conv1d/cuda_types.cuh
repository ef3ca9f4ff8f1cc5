// 16-bit types and their conversion to and from float, rounded to nearest. NVRTC comes without CUDA's headers, so none
// is included.
#pragma once

namespace seizurekit {

struct BFloat16 {
  unsigned short bits;
};

struct Float16 {
  unsigned short bits;
};

// Up to 16 bytes of samples, moved by one instruction.
template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(BFloat16 value) {
  return __uint_as_float(static_cast<unsigned int>(value.bits) << 16);
}

template <typename T>
__device__ inline T from_float(float value);

template <>
__device__ inline float from_float<float>(float value) {
  return value;
}

template <>
__device__ inline BFloat16 from_float<BFloat16>(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return {bits};
#else
  const unsigned int bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<unsigned short>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
#endif
}

#ifdef __CUDACC__
__device__ inline float to_float(Float16 value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}

template <>
__device__ inline Float16 from_float<Float16>(float value) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return {bits};
}
#else
__device__ inline float to_float(Float16 value) { return __half_bits_to_float(value.bits); }

template <>
__device__ inline Float16 from_float<Float16>(float value) {
  return {__float_to_half_bits(value)};
}
#endif

__device__ inline float sigmoid(float value) { return __fdividef(1.0f, 1.0f + __expf(-value)); }

}  // namespace seizurekit
