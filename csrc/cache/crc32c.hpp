// CRC-32C (Castagnoli), the checksum of Zarr's crc32c codec. RFC 3720, appendix B.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seizurekit::cache {

std::uint32_t crc32c(std::span<const std::byte> data);

}  // namespace seizurekit::cache
