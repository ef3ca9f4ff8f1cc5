#include "coverage.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace {

constexpr std::size_t slot_count = std::size_t{1} << 15U;
alignas(8) std::array<std::uint8_t, slot_count> hits{};
std::array<std::uint8_t, slot_count> seen{};
thread_local std::size_t previous_branch = 0;

// One bit per count class 1, 2-3, 4-7, ..., so that another iteration of a long loop is not new code.
std::uint8_t count_class(std::uint8_t count) { return std::bit_floor(count); }

}  // namespace

extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() {
  const auto branch = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  const std::size_t mixed = (branch * 0x9E3779B97F4A7C15U) >> 40U;
  std::uint8_t& count = hits[(mixed ^ previous_branch) % slot_count];
  count = count == 255 ? count : static_cast<std::uint8_t>(count + 1);
  previous_branch = mixed >> 1U;
}

namespace seizurekit::fuzz {

bool reached_new_code() {
  bool found = false;
  for (std::size_t word = 0; word < slot_count; word += sizeof(std::uint64_t)) {
    std::uint64_t any = 0;
    std::memcpy(&any, &hits[word], sizeof any);
    for (std::size_t i = word; any != 0 && i < word + sizeof any; ++i) {
      const std::uint8_t bit = count_class(hits[i]);
      found = found || (bit & ~seen[i]) != 0;
      seen[i] = static_cast<std::uint8_t>(seen[i] | bit);
      hits[i] = 0;
    }
  }
  previous_branch = 0;
  return found;
}

std::size_t edges_reached() {
  return static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), [](std::uint8_t bits) { return bits != 0; }));
}

}  // namespace seizurekit::fuzz
