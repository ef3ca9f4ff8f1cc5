// A chunk of `signal` as it is stored: int16 samples, bit-shuffled, LZ4, in Blosc 1's frame, and a CRC-32C behind it.
// https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace seizurekit::cache {

inline constexpr std::size_t checksum_bytes = 4;

/// Room to decode chunks of one size in; one for each thread.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(std::size_t samples);

  /// Decodes a stored chunk, its checksum verified, into `samples()`.
  /// Returns what is wrong with it, in words; empty where nothing is.
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
