// Types of array elements, by the names that NumPy and torch give them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seizurekit {

enum class DType : std::uint8_t { float32, float64, float16, bfloat16, int16 };

constexpr std::size_t bytes_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 8;
    case DType::float32:
      return 4;
    default:
      return 2;
  }
}

}  // namespace seizurekit
