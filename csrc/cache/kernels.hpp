// The inner loops of csrc/cache, compiled once per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/isa.hpp"

namespace seizurekit::cache {

/// Bytes of each of the three stripes that the checksum processes at once.
inline constexpr std::size_t crc32c_stripe = 2048;

#define SEIZUREKIT_CACHE_KERNELS(isa)                                                                   \
  namespace isa {                                                                                       \
  /* Reverts Blosc's bit shuffle: 16 bit planes of `bytes` bytes each to 8 * bytes samples. */          \
  void unshuffle(const unsigned char* planes, std::size_t bytes, std::int16_t* out);                    \
  /* out[i] = from[i] * step; `streaming` writes past the CPU's cache. */                               \
  void to_float32(const std::int16_t* from, std::size_t count, float step, float* out, bool streaming); \
  void to_float16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out);         \
  void to_bfloat16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out);        \
  }

SEIZUREKIT_CACHE_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_CACHE_KERNELS(avx2)
SEIZUREKIT_CACHE_KERNELS(avx512)

namespace avx2 {
/// The checksum's state after more bytes. `stripes`: four tables, the state after crc32c_stripe zero bytes by byte of
/// the state before.
std::uint32_t crc32c_update(std::uint32_t crc, const unsigned char* data, std::size_t count,
                            const std::uint32_t* const* stripes);
}  // namespace avx2
#endif
#undef SEIZUREKIT_CACHE_KERNELS

}  // namespace seizurekit::cache
