// A stored chunk of `signal`: int16 samples, bit-shuffled and LZ4-compressed in a Blosc 1 frame, then a CRC-32C.
// https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace seizurekit::cache {

inline constexpr std::size_t checksum_bytes = 4;

/// Decodes chunks of one size; use one decoder per thread.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(std::size_t samples);

  /// Verifies the checksum and decodes the chunk into `samples()`.
  /// Returns an error message, or an empty string on success.
  std::string_view decode(std::span<const std::byte> stored);

  std::span<const std::int16_t> samples() const { return {samples_.get(), count_}; }

 private:
  std::string_view decode_frame(std::span<const std::byte> frame);
  std::string_view decode_block(std::span<const std::byte> block, std::size_t first, std::size_t bytes, bool split);

  std::size_t count_;
  std::unique_ptr<std::int16_t[]> samples_;
  std::unique_ptr<std::byte[]> planes_;
};

}  // namespace seizurekit::cache
