// A parser with known faults, selected by PLANTED_FAULT. The fuzzing driver must find each of them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace {

int read_number(std::string_view text) {
  int value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') {
      return value;
    }
    value = value * 10 + (digit - '0');
  }
  return value;
}

void overrun(std::string_view text) {
  const std::vector<int> four(4, 1);
  volatile int sum = 0;
  for (int i = 0; i < read_number(text.substr(0, 2)); ++i) {
    sum = sum + four.data()[i];
  }
}

void overflow(std::string_view text) {
  volatile int limit = std::numeric_limits<int>::max() - 900;
  limit = limit + read_number(text.substr(0, 3));
}

void allocate(std::string_view text) {
  const std::vector<char> claimed(static_cast<std::size_t>(read_number(text.substr(0, 8))));
  volatile std::size_t size = claimed.size();
  (void)size;
}

void hang(std::string_view text) {
  volatile bool on = read_number(text.substr(0, 2)) == 16;
  while (on) {
  }
}

void throw_exception(std::string_view text) {
  if (text.starts_with("255")) {
    throw std::runtime_error("a length of 255");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char* variable = std::getenv("PLANTED_FAULT");
  const std::string_view fault = variable == nullptr ? "" : variable;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (fault == "overrun") {
    overrun(text);
  } else if (fault == "overflow") {
    overflow(text);
  } else if (fault == "allocate") {
    allocate(text);
  } else if (fault == "hang") {
    hang(text);
  } else if (fault == "exception") {
    throw_exception(text);
  }
  return 0;
}
