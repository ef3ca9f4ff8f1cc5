// Converts stored samples to numbers. Compiled once per instruction set; call by SEIZUREKIT_DISPATCH.
//
// `in` is little-endian and need not be aligned. Reading 24-bit samples may touch `convert_overread` bytes after the
// last one. Physical values are (digital + offset) * gain, computed in double, then rounded.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seizurekit::edf {

inline constexpr std::ptrdiff_t convert_overread = 16;

#define SEIZUREKIT_EDF_CONVERT(isa)                                                                        \
  namespace isa {                                                                                          \
  void convert_int16(const void* in, std::ptrdiff_t count, double gain, double offset, float* out);        \
  void convert_int16(const void* in, std::ptrdiff_t count, double gain, double offset, double* out);       \
  void convert_int16(const void* in, std::ptrdiff_t count, double gain, double offset, std::int32_t* out); \
  void convert_int24(const void* in, std::ptrdiff_t count, double gain, double offset, float* out);        \
  void convert_int24(const void* in, std::ptrdiff_t count, double gain, double offset, double* out);       \
  void convert_int24(const void* in, std::ptrdiff_t count, double gain, double offset, std::int32_t* out); \
  }

#ifdef SEIZUREKIT_ISA
SEIZUREKIT_EDF_CONVERT(SEIZUREKIT_ISA)
#else
SEIZUREKIT_EDF_CONVERT(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_EDF_CONVERT(avx2)
SEIZUREKIT_EDF_CONVERT(avx512)
#endif
#endif

}  // namespace seizurekit::edf
