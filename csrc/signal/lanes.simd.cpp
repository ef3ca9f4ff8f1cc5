// Loops over rows: a lane per channel.
#include "signal/kernels.hpp"

namespace seizurekit::signal::SEIZUREKIT_ISA {
namespace {

// Vectors of the native width: the compiler generates poor code for wider ones.
#if defined(__AVX512F__)
constexpr std::int64_t doubles = 8;
constexpr std::int64_t floats = 8;  // not 16, because 24 lanes are no multiple of it
#elif defined(__AVX__)
constexpr std::int64_t doubles = 4;
constexpr std::int64_t floats = 8;
#else
constexpr std::int64_t doubles = 2;
constexpr std::int64_t floats = 4;
#endif
static_assert(lanes % doubles == 0 && lanes % floats == 0);

using Floats = float __attribute__((vector_size(floats * sizeof(float))));
using Doubles = double __attribute__((vector_size(doubles * sizeof(double))));
using Narrow = float __attribute__((vector_size(doubles * sizeof(float))));
using Quad = float __attribute__((vector_size(4 * sizeof(float))));
using QuadIndex = std::int32_t __attribute__((vector_size(4 * sizeof(std::int32_t))));

template <typename Vector, typename Element>
Vector load(const Element* from) {
  Vector value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename Vector, typename Element>
void store(Element* to, const Vector& value) {
  __builtin_memcpy(to, &value, sizeof value);
}

template <int... element>
Quad pick(Quad a, Quad b) {
#ifdef __clang__
  return __builtin_shufflevector(a, b, element...);
#else
  return __builtin_shuffle(a, b, QuadIndex{element...});
#endif
}

void transpose(Quad (&q)[4]) {
  const Quad low01 = pick<0, 4, 1, 5>(q[0], q[1]);
  const Quad low23 = pick<0, 4, 1, 5>(q[2], q[3]);
  const Quad high01 = pick<2, 6, 3, 7>(q[0], q[1]);
  const Quad high23 = pick<2, 6, 3, 7>(q[2], q[3]);
  q[0] = pick<0, 1, 4, 5>(low01, low23);
  q[1] = pick<2, 3, 6, 7>(low01, low23);
  q[2] = pick<0, 1, 4, 5>(high01, high23);
  q[3] = pick<2, 3, 6, 7>(high01, high23);
}

// Keeps the value in a register: GCC would load it from memory for each use, and the loops are bound by loads.
void keep_in_register([[maybe_unused]] Floats& value) {
#ifdef __x86_64__
  __asm__("" : "+x"(value));
#endif
}

// Weighted sums of two windows, of which the second starts `apart` rows later. Each row is loaded once for both.
void fir_pair(const Row* x, std::int64_t apart, const float* first, const float* second, std::int64_t taps, Row* y) {
  constexpr std::int64_t groups = lanes / floats;
  Floats a[groups] = {};
  Floats b[groups] = {};
  std::int64_t t = 0;
  for (; t < apart; ++t) {
    for (std::int64_t g = 0; g < groups; ++g) {
      a[g] += first[t] * load<Floats>(x[t].lane + g * floats);
    }
  }
  for (; t < taps; ++t) {
    const float weight_a = first[t];
    const float weight_b = second[t - apart];
    for (std::int64_t g = 0; g < groups; ++g) {
      auto value = load<Floats>(x[t].lane + g * floats);
      keep_in_register(value);
      a[g] += weight_a * value;
      b[g] += weight_b * value;
    }
  }
  for (; t < taps + apart; ++t) {
    for (std::int64_t g = 0; g < groups; ++g) {
      b[g] += second[t - apart] * load<Floats>(x[t].lane + g * floats);
    }
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    store(y[0].lane + g * floats, a[g]);
    store(y[1].lane + g * floats, b[g]);
  }
}

void fir_single(const Row* x, const float* weights, std::int64_t taps, Row* y) {
  constexpr std::int64_t groups = lanes / floats;
  Floats sum[groups] = {};
  for (std::int64_t t = 0; t < taps; ++t) {
    for (std::int64_t g = 0; g < groups; ++g) {
      sum[g] += weights[t] * load<Floats>(x[t].lane + g * floats);
    }
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    store(y->lane + g * floats, sum[g]);
  }
}

// Sets a decaying state to 0 before it becomes subnormal, because many CPUs are slow with subnormal numbers.
Doubles flush_to_zero(Doubles state) {
  constexpr double limit = 1e-30;  // microvolts
  return state > -limit && state < limit ? Doubles{} : state;
}

// Applies the sections to `doubles` lanes from `lane`, in place.
template <std::int64_t sections>
void cascade(Row* x, std::int64_t lane, std::int64_t count, const Section* from, double* state) {
  Section section[sections];  // a copy, because stores to x could alias
  Doubles first[sections];
  Doubles second[sections];
  for (std::int64_t s = 0; s < sections; ++s) {
    section[s] = from[s];
    first[s] = load<Doubles>(state + (2 * s) * lanes);
    second[s] = load<Doubles>(state + (2 * s + 1) * lanes);
  }
  for (std::int64_t t = 0; t < count; ++t) {
    Doubles value = __builtin_convertvector(load<Narrow>(x[t].lane + lane), Doubles);
    for (std::int64_t s = 0; s < sections; ++s) {
      const Doubles in = value;
      value = section[s].b0 * in + first[s];
      first[s] = (section[s].b1 * in + second[s]) - section[s].a1 * value;
      second[s] = section[s].b2 * in - section[s].a2 * value;
    }
    store(x[t].lane + lane, __builtin_convertvector(value, Narrow));
  }
  for (std::int64_t s = 0; s < sections; ++s) {
    store(state + (2 * s) * lanes, flush_to_zero(first[s]));
    store(state + (2 * s + 1) * lanes, flush_to_zero(second[s]));
  }
}

}  // namespace

void interleave(const float* const* channels, std::int64_t count, Row* out) {
  for (std::int64_t lane = 0; lane < lanes; lane += 4) {
    std::int64_t t = 0;
    for (; t + 4 <= count; t += 4) {
      Quad q[4];
      for (std::int64_t i = 0; i < 4; ++i) {
        q[i] = load<Quad>(channels[lane + i] + t);
      }
      transpose(q);
      for (std::int64_t i = 0; i < 4; ++i) {
        store(out[t + i].lane + lane, q[i]);
      }
    }
    for (; t < count; ++t) {
      for (std::int64_t i = 0; i < 4; ++i) {
        out[t].lane[lane + i] = channels[lane + i][t];
      }
    }
  }
}

void deinterleave(const Row* x, std::int64_t count, float* const* channels) {
  for (std::int64_t lane = 0; lane < lanes; lane += 4) {
    std::int64_t t = 0;
    for (; t + 4 <= count; t += 4) {
      Quad q[4];
      for (std::int64_t i = 0; i < 4; ++i) {
        q[i] = load<Quad>(x[t + i].lane + lane);
      }
      transpose(q);
      for (std::int64_t i = 0; i < 4; ++i) {
        store(channels[lane + i] + t, q[i]);
      }
    }
    for (; t < count; ++t) {
      for (std::int64_t i = 0; i < 4; ++i) {
        channels[lane + i][t] = x[t].lane[lane + i];
      }
    }
  }
}

void add(Row* x, std::int64_t count, const Row& offset) {
  for (std::int64_t lane = 0; lane < lanes; lane += floats) {
    const auto more = load<Floats>(offset.lane + lane);
    for (std::int64_t t = 0; t < count; ++t) {
      store(x[t].lane + lane, load<Floats>(x[t].lane + lane) + more);
    }
  }
}

void fir(const Window* windows, std::int64_t count, std::int64_t taps, Row* y) {
  std::int64_t i = 0;
  for (; i + 2 <= count; i += 2) {
    const Window& first = windows[i];
    const Window& second = windows[i + 1];
    fir_pair(first.x, second.x - first.x, first.weights, second.weights, taps, y + i);
  }
  if (i < count) {
    fir_single(windows[i].x, windows[i].weights, taps, y + i);
  }
}

void interpolate_taps(const float* a, const float* b, float fraction, std::int64_t count, float* out) {
  for (std::int64_t k = 0; k < count; ++k) {
    out[k] = a[k] + fraction * (b[k] - a[k]);
  }
}

void filter(Row* x, std::int64_t count, std::int64_t channels, const Section* sections, std::int64_t section_count,
            double* state) {
  for (std::int64_t lane = 0; lane < channels; lane += doubles) {
    std::int64_t done = 0;
    for (; done + 4 <= section_count; done += 4) {
      cascade<4>(x, lane, count, sections + done, state + 2 * done * lanes + lane);
    }
    for (; done < section_count; ++done) {
      cascade<1>(x, lane, count, sections + done, state + 2 * done * lanes + lane);
    }
  }
}

}  // namespace seizurekit::signal::SEIZUREKIT_ISA
