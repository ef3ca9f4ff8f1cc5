#include "support/isa.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

namespace seizurekit {
namespace {

std::atomic<Isa>& selection() {
  static std::atomic<Isa> isa{available_isas().back()};
  return isa;
}

#ifdef SEIZUREKIT_X86_LEVELS
#if (defined(__clang__) && __clang_major__ >= 18) || (!defined(__clang__) && __GNUC__ >= 12)
bool supports_v3() { return __builtin_cpu_supports("x86-64-v3") != 0; }
bool supports_v4() { return __builtin_cpu_supports("x86-64-v4") != 0; }
#else
// Older compilers do not know the levels, nor f16c, lzcnt and movbe, which all CPUs with these features have.
bool supports_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}
bool supports_v4() {
  return supports_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif
#endif

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
  if (supports_v3()) {
    isas.push_back(Isa::avx2);
  }
  if (supports_v4()) {
    isas.push_back(Isa::avx512);
  }
#endif
  return isas;
}

Isa current_isa() { return selection().load(std::memory_order_relaxed); }

void use_isa(Isa isa) {
  const auto isas = available_isas();
  if (std::find(isas.begin(), isas.end(), isa) == isas.end()) {
    throw std::invalid_argument("instruction set " + std::string(name(isa)) + " is not available");
  }
  selection().store(isa, std::memory_order_relaxed);
}

}  // namespace seizurekit
