// LZ4 blocks; https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
#pragma once

#include <cstddef>
#include <span>

namespace seizurekit::cache {

/// Bytes behind `out` that `lz4_decode` may overwrite.
inline constexpr std::size_t lz4_slack = 32;

/// Decodes a block that gives exactly out.size() bytes; false where it does not, or is malformed. Never throws, never
/// reads outside `in`, nor writes further than `lz4_slack` behind `out`, where that much room must be.
bool lz4_decode(std::span<const std::byte> in, std::span<std::byte> out) noexcept;

}  // namespace seizurekit::cache
