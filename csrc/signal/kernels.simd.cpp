#include "signal/kernels.hpp"

namespace seizurekit::signal::SEIZUREKIT_ISA {
namespace {

constexpr std::int64_t group = 8;  // lanes that are worked on at once
static_assert(lanes % group == 0);

using Floats = float __attribute__((vector_size(group * sizeof(float))));
using Doubles = double __attribute__((vector_size(group * sizeof(double))));

Floats load(const float* from) {
  Floats value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

Doubles load(const double* from) {
  Doubles value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename Vector, typename Element>
void store(Element* to, const Vector& value) {
  __builtin_memcpy(to, &value, sizeof value);
}

Doubles widen(const Floats& x) { return __builtin_convertvector(x, Doubles); }

template <std::int64_t sections>
void cascade(float* x, std::int64_t count, const Section* section, double* state) {
  Doubles first[sections];
  Doubles second[sections];
  for (std::int64_t s = 0; s < sections; ++s) {
    first[s] = load(state + (2 * s) * lanes);
    second[s] = load(state + (2 * s + 1) * lanes);
  }
  for (std::int64_t t = 0; t < count; ++t) {
    Doubles value = widen(load(x + t * lanes));
    for (std::int64_t s = 0; s < sections; ++s) {
      const Doubles in = value;
      value = section[s].b0 * in + first[s];
      first[s] = section[s].b1 * in - section[s].a1 * value + second[s];
      second[s] = section[s].b2 * in - section[s].a2 * value;
    }
    store(x + t * lanes, __builtin_convertvector(value, Floats));
  }
  for (std::int64_t s = 0; s < sections; ++s) {
    store(state + (2 * s) * lanes, first[s]);
    store(state + (2 * s + 1) * lanes, second[s]);
  }
}

#if __has_builtin(__builtin_shufflevector)
#define SEIZUREKIT_SHUFFLES
// Transposes a square of samples: three rounds of dealing the second half of its rows into the first.
void transpose(Floats (&rows)[group]) {
  for (int round = 0; round < 3; ++round) {
    Floats dealt[group];
    for (std::int64_t i = 0; i < group / 2; ++i) {
      const Floats& a = rows[i];
      const Floats& b = rows[i + group / 2];
      dealt[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      dealt[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    }
    for (std::int64_t i = 0; i < group; ++i) {
      rows[i] = dealt[i];
    }
  }
}
#endif

}  // namespace

void to_times(const float* const* in, std::int64_t count, float* out) {
  std::int64_t t = 0;
#ifdef SEIZUREKIT_SHUFFLES
  for (; t + group <= count; t += group) {
    for (std::int64_t g = 0; g < lanes; g += group) {
      Floats square[group];
      for (std::int64_t i = 0; i < group; ++i) {
        square[i] = load(in[g + i] + t);
      }
      transpose(square);
      for (std::int64_t i = 0; i < group; ++i) {
        store(out + (t + i) * lanes + g, square[i]);
      }
    }
  }
#endif
  for (; t < count; ++t) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      out[t * lanes + lane] = in[lane][t];
    }
  }
}

void to_channels(const float* in, std::int64_t count, std::int64_t channels, float* const* out) {
  std::int64_t t = 0;
#ifdef SEIZUREKIT_SHUFFLES
  for (; t + group <= count; t += group) {
    for (std::int64_t g = 0; g < channels; g += group) {
      Floats square[group];
      for (std::int64_t i = 0; i < group; ++i) {
        square[i] = load(in + (t + i) * lanes + g);
      }
      transpose(square);
      for (std::int64_t i = 0; i < group && g + i < channels; ++i) {
        store(out[g + i] + t, square[i]);
      }
    }
  }
#endif
  for (; t < count; ++t) {
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      out[channel][t] = in[t * lanes + channel];
    }
  }
}

void fir(const float* x, const float* taps, int count, float* y) {
  constexpr std::int64_t groups = lanes / group;
  constexpr std::int64_t chains = 4;  // sums that do not wait for one another
  Floats sums[chains][groups] = {};
  for (std::int64_t k = 0; k < count; k += chains) {
    for (std::int64_t chain = 0; chain < chains; ++chain) {
      for (std::int64_t g = 0; g < groups; ++g) {
        sums[chain][g] += taps[k + chain] * load(x + (k + chain) * lanes + g * group);
      }
    }
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    store(y + g * group, (sums[0][g] + sums[1][g]) + (sums[2][g] + sums[3][g]));
  }
}

void interpolate_taps(const float* a, const float* b, float fraction, int count, float* out) {
  for (int k = 0; k < count; ++k) {
    out[k] = a[k] + fraction * (b[k] - a[k]);
  }
}

void filter(float* x, std::int64_t count, const Section* sections, int section_count, double* state) {
  for (std::int64_t g = 0; g < lanes; g += group) {
    std::int64_t done = 0;
    for (; done + 4 <= section_count; done += 4) {
      cascade<4>(x + g, count, sections + done, state + 2 * done * lanes + g);
    }
    for (; done < section_count; ++done) {
      cascade<1>(x + g, count, sections + done, state + 2 * done * lanes + g);
    }
  }
}

Moments moments(const float* x, std::int64_t count) {
  Doubles sum[2] = {};
  Doubles squares[2] = {};
  std::int64_t i = 0;
  for (; i + 2 * group <= count; i += 2 * group) {
    for (std::int64_t half = 0; half < 2; ++half) {
      const Doubles value = widen(load(x + i + half * group));
      sum[half] += value;
      squares[half] += value * value;
    }
  }
  Moments total{0.0, 0.0};
  for (std::int64_t lane = 0; lane < group; ++lane) {
    total.sum += sum[0][lane] + sum[1][lane];
    total.sum_of_squares += squares[0][lane] + squares[1][lane];
  }
  for (; i < count; ++i) {
    const double value = x[i];
    total.sum += value;
    total.sum_of_squares += value * value;
  }
  return total;
}

void normalize(float* x, std::int64_t count, double mean, double inverse_std, float clip) {
  for (std::int64_t i = 0; i < count; ++i) {
    float value = static_cast<float>((x[i] - mean) * inverse_std);
    value = value == value ? value : 0.0F;
    value = value < -clip ? -clip : value;
    x[i] = value > clip ? clip : value;
  }
}

void quantize(const float* x, std::int64_t count, float inverse_step, std::int16_t* out) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  for (std::int64_t i = 0; i < count; ++i) {
    float value = x[i] * inverse_step;
    value = value < -32767.0F ? -32767.0F : value;
    value = value > 32767.0F ? 32767.0F : value;
    out[i] = static_cast<std::int16_t>((value + to_integer) - to_integer);
  }
}

bool all_finite(const float* x, std::int64_t count) {
  constexpr std::uint32_t exponent = 0x7F800000U;
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    found |= static_cast<std::uint32_t>((bits & exponent) == exponent);
  }
  return found == 0;
}

}  // namespace seizurekit::signal::SEIZUREKIT_ISA
