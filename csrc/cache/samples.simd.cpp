// From a chunk's bit planes to samples, and from samples to the numbers of a batch.
#include "cache/kernels.hpp"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace seizurekit::cache::SEIZUREKIT_ISA {
namespace {

#if defined(__AVX512BW__)
constexpr int width = 64;
#elif defined(__AVX2__)
constexpr int width = 32;
#else
constexpr int width = 16;
#endif

// Bytes, pairs and quads are names of one register; unpacking works within each of its parts of 16 bytes.
typedef std::uint64_t Register __attribute__((vector_size(width)));
typedef unsigned char Bytes __attribute__((vector_size(width)));
typedef std::uint16_t Pairs __attribute__((vector_size(width)));
typedef std::uint32_t Quads __attribute__((vector_size(width)));

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

// Eight planes, one a bit, into eight registers, one for each place of a sample among eight.
inline void transpose_bits(Register* planes) {
  swap_bits<4>(planes, repeated(0x0F));
  swap_bits<2>(planes, repeated(0x33));
  swap_bits<1>(planes, repeated(0x55));
}

// samples[e] holds, for m below 8, sample e of the m-th eight; out[m] becomes that eight.
inline void transpose_pairs(const Pairs* samples, Register* out) {
  Quads quads[8];
  for (int i = 0; i < 4; ++i) {
    Pairs low;
    Pairs high;
    unpack(samples[2 * i], samples[2 * i + 1], low, high);
    quads[i] = (Quads)low;
    quads[4 + i] = (Quads)high;
  }
  Register words[8];
  for (int i = 0; i < 4; ++i) {
    Quads low;
    Quads high;
    unpack(quads[2 * i], quads[2 * i + 1], low, high);
    words[i] = (Register)low;
    words[4 + i] = (Register)high;
  }
  // words: [0] samples 0..3 of eights 0,1; [1] samples 4..7 of 0,1; [2],[3] of 4,5; [4],[5] of 2,3; [6],[7] of 6,7
  constexpr int eight_of[4] = {0, 4, 2, 6};
  for (int i = 0; i < 4; ++i) {
    unpack(words[2 * i], words[2 * i + 1], out[eight_of[i]], out[eight_of[i] + 1]);
  }
}

inline void store_eights(const Register* eights, std::int16_t* out) {
  for (int m = 0; m < 16; ++m) {
    for (int part = 0; part < width / 16; ++part) {
      __builtin_memcpy(out + (part * 16 + m) * 8, reinterpret_cast<const char*>(eights + m) + part * 16, 16);
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
  for (int e = 0; e < 8; ++e) {
    Bytes a;
    Bytes b;
    unpack((Bytes)low[e], (Bytes)high[e], a, b);
    first[e] = (Pairs)a;
    second[e] = (Pairs)b;
  }
  Register eights[16];
  transpose_pairs(first, eights);
  transpose_pairs(second, eights + 8);
  store_eights(eights, out);
}

inline float value_of(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

// IEEE 754 binary16 of a finite number below 65520 in magnitude, to the nearest, ties to even.
inline std::uint16_t half_of(float value) {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  const std::uint32_t normal = (magnitude + 0xFFFU + ((magnitude >> 13) & 1U) - 0x38000000U) >> 13;
  // Adding one half leaves a subnormal's 10 bits, rounded, at the end of the sum's.
  const std::uint32_t subnormal = bits_of(value_of(magnitude) + 0.5F) - 0x3F000000U;
  const std::uint32_t half = magnitude < 0x38800000U ? subnormal : normal;
  return static_cast<std::uint16_t>(half | ((bits >> 16) & 0x8000U));
}

inline std::uint16_t brain_of(float value) {
  const std::uint32_t bits = bits_of(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
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

void to_float32(const std::int16_t* from, std::size_t count, float step, float* out, bool streamed) {
  std::size_t i = 0;
#ifdef __AVX2__
  if (streamed) {
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
  static_cast<void>(streamed);
#endif
  for (; i < count; ++i) {
    out[i] = static_cast<float>(from[i]) * step;
  }
}

void to_float16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = half_of(static_cast<float>(from[i]) * step);
  }
}

void to_bfloat16(const std::int16_t* from, std::size_t count, float step, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = brain_of(static_cast<float>(from[i]) * step);
  }
}

}  // namespace seizurekit::cache::SEIZUREKIT_ISA
