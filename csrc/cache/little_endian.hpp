// Numbers in the byte order of Zarr and Blosc files.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>

namespace seizurekit::cache {

static_assert(std::endian::native == std::endian::little, "numbers are copied from files without swapping bytes");

/// The number at the start of `data`, which must be long enough.
template <typename Number>
Number little_endian(std::span<const std::byte> data) {
  Number number;
  std::memcpy(&number, data.data(), sizeof number);
  return number;
}

}  // namespace seizurekit::cache
