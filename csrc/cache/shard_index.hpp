// The index at the end of a shard: where each chunk is. Zarr v3, sharding codec 1.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace seizurekit::cache {

/// Bytes of a chunk in its shard.
struct ChunkSpan {
  std::uint64_t offset;
  std::uint64_t length;

  /// Whether the chunk is not stored: all its samples are zero.
  bool is_absent() const { return offset == ~std::uint64_t{0} && length == ~std::uint64_t{0}; }
};

class ShardIndex {
 public:
  /// Bytes of the index of a shard of `chunks` chunks, with its checksum.
  static std::size_t bytes(std::size_t chunks);

  /// Parses the index, the last bytes of a shard of `shard_bytes`; none if the checksum does not match.
  static std::optional<ShardIndex> parse(std::span<const std::byte> data, std::uint64_t shard_bytes);

  ChunkSpan operator[](std::size_t chunk) const { return spans_[chunk]; }
  std::size_t size() const { return spans_.size(); }

  /// Whether the span is in the shard, before the index.
  bool contains(ChunkSpan span) const { return span.offset <= end_ && span.length <= end_ - span.offset; }

 private:
  std::vector<ChunkSpan> spans_;
  std::uint64_t end_ = 0;
};

/// A damaged part of a shard.
struct Damage {
  std::int64_t chunk;  // -1: the index
  std::uint64_t first;
  std::uint64_t end;
  std::string_view reason;
};

/// All damage of a shard, by decoding its index and each of its chunks.
std::vector<Damage> find_damage(std::span<const std::byte> shard, std::size_t chunks, std::size_t chunk_samples);

}  // namespace seizurekit::cache
