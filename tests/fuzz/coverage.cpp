#include "coverage.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace {

constexpr std::size_t kSlots = std::size_t{1} << 15U;
alignas(8) std::array<std::uint8_t, kSlots> hits{};
std::array<std::uint8_t, kSlots> seen{};
thread_local std::size_t previous_place = 0;

// Counts fall into classes 1, 2-3, 4-7, ..., one bit each, so that a loop's next round is not news for ever.
std::uint8_t count_class(std::uint8_t count) { return std::bit_floor(count); }

}  // namespace

extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() {
  const auto place = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  const std::size_t mixed = (place * 0x9E3779B97F4A7C15U) >> 40U;
  std::uint8_t& count = hits[(mixed ^ previous_place) % kSlots];
  count = count == 255 ? count : static_cast<std::uint8_t>(count + 1);
  previous_place = mixed >> 1U;
}

namespace seizurekit::fuzz {

bool reached_new_code() {
  bool found = false;
  for (std::size_t word = 0; word < kSlots; word += sizeof(std::uint64_t)) {
    std::uint64_t any = 0;
    std::memcpy(&any, &hits[word], sizeof any);
    for (std::size_t i = word; any != 0 && i < word + sizeof any; ++i) {
      const std::uint8_t bit = count_class(hits[i]);
      found = found || (bit & ~seen[i]) != 0;
      seen[i] = static_cast<std::uint8_t>(seen[i] | bit);
      hits[i] = 0;
    }
  }
  previous_place = 0;
  return found;
}

std::size_t edges_reached() {
  return static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), [](std::uint8_t bits) { return bits != 0; }));
}

}  // namespace seizurekit::fuzz
