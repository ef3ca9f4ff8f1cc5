#include "cache/chunk.hpp"

#include <algorithm>
#include <cstring>

#include "cache/crc32c.hpp"
#include "cache/kernels.hpp"
#include "cache/little_endian.hpp"
#include "cache/lz4.hpp"

namespace seizurekit::cache {
namespace {

constexpr std::size_t header_bytes = 16;
constexpr std::size_t sample_bytes = sizeof(std::int16_t);
constexpr unsigned flag_uncompressed = 0x02;
constexpr unsigned flag_bit_shuffled = 0x04;
constexpr unsigned flag_byte_shuffled = 0x01;
constexpr unsigned flag_not_split = 0x10;  // a block is one stream; else one stream per byte of a sample
constexpr unsigned format_lz4 = 1;

}  // namespace

ChunkDecoder::ChunkDecoder(std::size_t samples)
    : count_(samples),
      samples_(std::make_unique_for_overwrite<std::int16_t[]>(samples)),
      planes_(std::make_unique_for_overwrite<std::byte[]>(samples * sample_bytes + lz4_slack)) {}

std::string_view ChunkDecoder::decode(std::span<const std::byte> stored) {
  if (stored.size() < header_bytes + checksum_bytes) {
    return "chunk is too short";
  }
  const auto frame = stored.first(stored.size() - checksum_bytes);
  if (crc32c(frame) != little_endian<std::uint32_t>(stored.last(checksum_bytes))) {
    return "checksum mismatch";
  }
  return decode_frame(frame);
}

std::string_view ChunkDecoder::decode_frame(std::span<const std::byte> frame) {
  const unsigned flags = std::to_integer<unsigned>(frame[2]);
  const std::size_t size = little_endian<std::uint32_t>(frame.subspan(4));
  const std::size_t block_size = little_endian<std::uint32_t>(frame.subspan(8));
  if (little_endian<std::uint32_t>(frame.subspan(12)) != frame.size()) {
    return "wrong frame length";
  }
  if (size != count_ * sample_bytes || std::to_integer<std::size_t>(frame[3]) != sample_bytes) {
    return "wrong number of samples";
  }
  if ((flags & flag_uncompressed) != 0) {
    if (frame.size() != header_bytes + size) {
      return "wrong frame length";
    }
    std::memcpy(samples_.get(), frame.data() + header_bytes, size);
    return {};
  }
  if (flags >> 5 != format_lz4 || (flags & flag_bit_shuffled) == 0 || (flags & flag_byte_shuffled) != 0) {
    return "not bit-shuffled LZ4";
  }
  if (block_size == 0 || block_size > size || block_size % sample_bytes != 0) {
    return "invalid block size";
  }
  const std::size_t blocks = (size + block_size - 1) / block_size;
  if (header_bytes + 4 * blocks > frame.size()) {
    return "frame ends inside its block table";
  }
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t start = little_endian<std::uint32_t>(frame.subspan(header_bytes + 4 * i));
    if (start > frame.size()) {
      return "block offset is outside the frame";
    }
    const std::size_t bytes = std::min(block_size, size - i * block_size);
    // Blosc never splits a last block that is shorter than the others.
    const bool split = (flags & flag_not_split) == 0 && bytes == block_size;
    const auto error = decode_block(frame.subspan(start), i * block_size / sample_bytes, bytes, split);
    if (!error.empty()) {
      return error;
    }
  }
  return {};
}

std::string_view ChunkDecoder::decode_block(std::span<const std::byte> block, std::size_t first, std::size_t bytes,
                                            bool split) {
  const std::size_t streams = split ? sample_bytes : 1;
  const std::size_t stream_bytes = bytes / streams;
  for (std::size_t i = 0; i < streams; ++i) {
    if (block.size() < 4) {
      return "frame ends inside a block";
    }
    const std::size_t length = little_endian<std::uint32_t>(block);
    block = block.subspan(4);
    if (length > block.size()) {
      return "frame ends inside a block";
    }
    std::byte* const out = planes_.get() + i * stream_bytes;
    if (length == stream_bytes) {
      std::memcpy(out, block.data(), length);
    } else if (!lz4_decode(block.first(length), {out, stream_bytes})) {
      return "malformed LZ4 data";
    }
    block = block.subspan(length);
  }
  const std::size_t samples = bytes / sample_bytes;
  if (samples % 8 == 0) {
    SEIZUREKIT_DISPATCH(unshuffle, reinterpret_cast<const unsigned char*>(planes_.get()), samples / 8,
                        samples_.get() + first);
  } else {  // Blosc 1 does not shuffle such a block
    std::memcpy(samples_.get() + first, planes_.get(), bytes);
  }
  return {};
}

}  // namespace seizurekit::cache
