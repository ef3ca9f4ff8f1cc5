// Assertions on the code under test.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace seizurekit::fuzz {

inline void require(bool condition, std::source_location place = std::source_location::current()) {
  if (!condition) {
    std::fprintf(stderr, "%s:%u: requirement failed\n", place.file_name(), static_cast<unsigned>(place.line()));
    std::abort();
  }
}

}  // namespace seizurekit::fuzz
