// From bit planes to samples, and from samples to the elements of a batch.
#include "cache/kernels.hpp"
#include "support/half.hpp"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace seizurekit::cache::SEIZUREKIT_ISA {
namespace {

namespace half = seizurekit::SEIZUREKIT_ISA;

#if defined(__AVX512BW__)
constexpr int width = 64;
#elif defined(__AVX2__)
constexpr int width = 32;
#else
constexpr int width = 16;
#endif

// Views of one register. Unpacking works within each of its 16-byte lanes.
typedef std::uint64_t Register __attribute__((vector_size(width)));
typedef unsigned char Bytes __attribute__((vector_size(width)));
typedef std::uint16_t Pairs __attribute__((vector_size(width)));
typedef std::uint32_t Quads __attribute__((vector_size(width)));

// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#if defined(__AVX512BW__)
#define SEIZUREKIT_UNPACK(kind, bits)                               \
  inline void unpack(kind a, kind b, kind& low, kind& high) {       \
    low = (kind)_mm512_unpacklo_epi##bits((__m512i)a, (__m512i)b);  \
    high = (kind)_mm512_unpackhi_epi##bits((__m512i)a, (__m512i)b); \
  }
#elif defined(__AVX2__)
#define SEIZUREKIT_UNPACK(kind, bits)                               \
  inline void unpack(kind a, kind b, kind& low, kind& high) {       \
    low = (kind)_mm256_unpacklo_epi##bits((__m256i)a, (__m256i)b);  \
    high = (kind)_mm256_unpackhi_epi##bits((__m256i)a, (__m256i)b); \
  }
#elif defined(__SSE2__)
#define SEIZUREKIT_UNPACK(kind, bits)                            \
  inline void unpack(kind a, kind b, kind& low, kind& high) {    \
    low = (kind)_mm_unpacklo_epi##bits((__m128i)a, (__m128i)b);  \
    high = (kind)_mm_unpackhi_epi##bits((__m128i)a, (__m128i)b); \
  }
#else
#define SEIZUREKIT_UNPACK(kind, bits)                                \
  inline void unpack(kind a, kind b, kind& low, kind& high) {        \
    constexpr int half = width / static_cast<int>(sizeof(a[0])) / 2; \
    for (int i = 0; i < half; ++i) {                                 \
      low[2 * i] = a[i];                                             \
      low[2 * i + 1] = b[i];                                         \
      high[2 * i] = a[half + i];                                     \
      high[2 * i + 1] = b[half + i];                                 \
    }                                                                \
  }
#endif
SEIZUREKIT_UNPACK(Bytes, 8)
SEIZUREKIT_UNPACK(Pairs, 16)
SEIZUREKIT_UNPACK(Quads, 32)
SEIZUREKIT_UNPACK(Register, 64)
#undef SEIZUREKIT_UNPACK
// NOLINTEND(bugprone-macro-parentheses)

template <int distance>
inline void swap_bits(Register* planes, Register mask) {
  for (int i = 0; i < 8; ++i) {
    if ((i & distance) == 0) {
      const Register moved = ((planes[i] >> distance) ^ planes[i + distance]) & mask;
      planes[i + distance] ^= moved;
      planes[i] ^= moved << distance;
    }
  }
}

inline Register repeated(std::uint64_t byte) { return Register{} + byte * 0x0101010101010101U; }

// Eight bit planes to eight registers: register e holds sample e of every group of eight.
inline void transpose_bits(Register* planes) {
  swap_bits<4>(planes, repeated(0x0F));
  swap_bits<2>(planes, repeated(0x33));
  swap_bits<1>(planes, repeated(0x55));
}

// samples[e][m] is sample e of group m; out[m] becomes group m.
inline void transpose_pairs(const Pairs* samples, Register* out) {
  Quads quads[8];
  for (std::size_t i = 0; i < 4; ++i) {
    Pairs low;
    Pairs high;
    unpack(samples[2 * i], samples[2 * i + 1], low, high);
    quads[i] = (Quads)low;
    quads[4 + i] = (Quads)high;
  }
  Register words[8];
  for (std::size_t i = 0; i < 4; ++i) {
    Quads low;
    Quads high;
    unpack(quads[2 * i], quads[2 * i + 1], low, high);
    words[i] = (Register)low;
    words[4 + i] = (Register)high;
  }
  // words: [0] samples 0..3 of groups 0,1; [1] samples 4..7 of 0,1; [2],[3] of 4,5; [4],[5] of 2,3; [6],[7] of 6,7
  constexpr std::size_t group_of[4] = {0, 4, 2, 6};
  for (std::size_t i = 0; i < 4; ++i) {
    unpack(words[2 * i], words[2 * i + 1], out[group_of[i]], out[group_of[i] + 1]);
  }
}

inline void store_groups(const Register* groups, std::int16_t* out) {
  for (std::size_t m = 0; m < 16; ++m) {
    for (std::size_t part = 0; part < width / 16; ++part) {
      __builtin_memcpy(out + (part * 16 + m) * 8, reinterpret_cast<const char*>(groups + m) + part * 16, 16);
    }
  }
}

inline void unshuffle_registers(const unsigned char* planes, std::size_t bytes, std::size_t at, std::int16_t* out) {
  Register low[8];
  Register high[8];
  for (std::size_t bit = 0; bit < 8; ++bit) {
    __builtin_memcpy(&low[bit], planes + bit * bytes + at, width);
    __builtin_memcpy(&high[bit], planes + (8 + bit) * bytes + at, width);
  }
  transpose_bits(low);
  transpose_bits(high);
  Pairs first[8];
  Pairs second[8];
  for (std::size_t e = 0; e < 8; ++e) {
    Bytes a;
    Bytes b;
    unpack((Bytes)low[e], (Bytes)high[e], a, b);
    first[e] = (Pairs)a;
    second[e] = (Pairs)b;
  }
  Register groups[16];
  transpose_pairs(first, groups);
  transpose_pairs(second, groups + 8);
  store_groups(groups, out);
}

}  // namespace

void unshuffle(const unsigned char* planes, std::size_t bytes, std::int16_t* out) {
  std::size_t at = 0;
  for (; at + width <= bytes; at += width) {
    unshuffle_registers(planes, bytes, at, out + 8 * at);
  }
  for (; at < bytes; ++at) {
    for (std::size_t e = 0; e < 8; ++e) {
      unsigned sample = 0;
      for (std::size_t bit = 0; bit < 16; ++bit) {
        sample |= ((static_cast<unsigned>(planes[bit * bytes + at]) >> e) & 1U) << bit;
      }
      out[8 * at + e] = static_cast<std::int16_t>(static_cast<std::uint16_t>(sample));
    }
  }
}

void to_float32(const std::int16_t* from, std::size_t count, float step, float* out, bool streaming) {
  std::size_t i = 0;
#ifdef __AVX2__
  if (streaming) {
    for (; i < count && (reinterpret_cast<std::uintptr_t>(out + i) & 31U) != 0; ++i) {
      out[i] = static_cast<float>(from[i]) * step;
    }
    const __m256 steps = _mm256_set1_ps(step);
    for (; i + 8 <= count; i += 8) {
      const __m128i samples = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
      const __m256 values = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(samples));
      _mm256_stream_ps(out + i, _mm256_mul_ps(values, steps));
    }
    _mm_sfence();
  }
#else
  static_cast<void>(streaming);
#endif
  for (; i < count; ++i) {
    out[i] = static_cast<float>(from[i]) * step;
  }
}

void to_float16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = half::float16_from_small(static_cast<float>(from[i]) * step);
  }
}

void to_bfloat16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = half::bfloat16_from_number(static_cast<float>(from[i]) * step);
  }
}

}  // namespace seizurekit::cache::SEIZUREKIT_ISA
