// Numbers as Zarr's and Blosc's files hold them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>

namespace seizurekit::cache {

static_assert(std::endian::native == std::endian::little, "the files' numbers are read as they stand");

/// The number that `data`, which must be long enough, begins with.
template <typename Number>
Number little_endian(std::span<const std::byte> data) {
  Number number;
  std::memcpy(&number, data.data(), sizeof number);
  return number;
}

}  // namespace seizurekit::cache
