// LZ4 blocks. https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
#pragma once

#include <cstddef>
#include <span>

namespace seizurekit::cache {

/// Bytes after `out` that `lz4_decode` may overwrite.
inline constexpr std::size_t lz4_slack = 32;

/// Decodes a block of exactly out.size() bytes; false if it is malformed or has another size. Reads only `in`. Writes
/// only `out` and up to `lz4_slack` bytes after it, which must exist.
bool lz4_decode(std::span<const std::byte> in, std::span<std::byte> out) noexcept;

}  // namespace seizurekit::cache
