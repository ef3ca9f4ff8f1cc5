// The inner loops of csrc/cache, one copy an instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/isa.hpp"

namespace seizurekit::cache {

/// Bytes of each of the three stretches that the checksum runs over side by side.
inline constexpr std::size_t crc32c_stripe = 2048;

#define SEIZUREKIT_CACHE_KERNELS(isa)                                                                   \
  namespace isa {                                                                                       \
  /* Undoes Blosc's bit shuffle: 16 planes of `bytes` bytes each, one a bit, into 8 * bytes samples. */ \
  void unshuffle(const unsigned char* planes, std::size_t bytes, std::int16_t* out);                    \
  /* out[i] = from[i] * step; past the cache where `streamed`. */                                       \
  void to_float32(const std::int16_t* from, std::size_t count, float step, float* out, bool streamed);  \
  void to_float16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out);         \
  void to_bfloat16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out);        \
  }

SEIZUREKIT_CACHE_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_CACHE_KERNELS(avx2)
SEIZUREKIT_CACHE_KERNELS(avx512)

namespace avx2 {
/// The checksum's register after more bytes; `stripes`: four tables of what crc32c_stripe zeros make of a byte of it.
std::uint32_t crc32c_update(std::uint32_t crc, const unsigned char* data, std::size_t count,
                            const std::uint32_t* const* stripes);
}  // namespace avx2
#endif
#undef SEIZUREKIT_CACHE_KERNELS

}  // namespace seizurekit::cache
