#include "support/isa.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

namespace seizurekit {
namespace {

std::atomic<Isa>& choice() {
  static std::atomic<Isa> isa{available_isas().back()};
  return isa;
}

}  // namespace

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::baseline:
      break;
  }
  return "baseline";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::baseline};
#ifdef SEIZUREKIT_X86_LEVELS
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    isas.push_back(Isa::avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd")) {
      isas.push_back(Isa::avx512);
    }
  }
#endif
  return isas;
}

Isa current_isa() { return choice().load(std::memory_order_relaxed); }

void use_isa(Isa isa) {
  const auto isas = available_isas();
  if (std::find(isas.begin(), isas.end(), isa) == isas.end()) {
    throw std::invalid_argument("instruction set '" + std::string(name(isa)) + "' is not available on this processor");
  }
  choice().store(isa, std::memory_order_relaxed);
}

}  // namespace seizurekit
