// CRC-32C by the CPU's instruction. It takes 8 bytes per cycle but has a latency of three cycles, so three
// stripes are processed at once. They are joined by shifting a stripe's checksum over the zero bytes of the next one.
#include "cache/kernels.hpp"

#if defined(__SSE4_2__) && defined(__AVX2__) && !defined(__AVX512F__)
#include <nmmintrin.h>

namespace seizurekit::cache::SEIZUREKIT_ISA {
namespace {

std::uint64_t word(const unsigned char* data) {
  std::uint64_t value;
  __builtin_memcpy(&value, data, sizeof value);
  return value;
}

std::uint64_t shift_over_stripe(std::uint64_t crc, const std::uint32_t* const* stripes) {
  return stripes[0][crc & 0xFF] ^ stripes[1][(crc >> 8) & 0xFF] ^ stripes[2][(crc >> 16) & 0xFF] ^
         stripes[3][(crc >> 24) & 0xFF];
}

}  // namespace

std::uint32_t crc32c_update(std::uint32_t crc, const unsigned char* data, std::size_t count,
                            const std::uint32_t* const* stripes) {
  std::uint64_t a = crc;
  for (; count >= 3 * crc32c_stripe; count -= 3 * crc32c_stripe, data += 3 * crc32c_stripe) {
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    for (std::size_t i = 0; i < crc32c_stripe; i += 8) {
      // The CPU does not prefetch three streams.
      if (i % 64 == 0 && count >= 6 * crc32c_stripe) {
        __builtin_prefetch(data + 3 * crc32c_stripe + i);
        __builtin_prefetch(data + 4 * crc32c_stripe + i);
        __builtin_prefetch(data + 5 * crc32c_stripe + i);
      }
      a = _mm_crc32_u64(a, word(data + i));
      b = _mm_crc32_u64(b, word(data + crc32c_stripe + i));
      c = _mm_crc32_u64(c, word(data + 2 * crc32c_stripe + i));
    }
    a = shift_over_stripe(shift_over_stripe(a, stripes) ^ b, stripes) ^ c;
  }
  for (; count >= 8; count -= 8, data += 8) {
    a = _mm_crc32_u64(a, word(data));
  }
  for (; count > 0; --count, ++data) {
    a = _mm_crc32_u8(static_cast<std::uint32_t>(a), *data);
  }
  return static_cast<std::uint32_t>(a);
}

}  // namespace seizurekit::cache::SEIZUREKIT_ISA
#endif
