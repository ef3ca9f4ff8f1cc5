// The index at a shard's end: where each chunk lies; Zarr v3, sharding codec 1.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace seizurekit::cache {

/// Where a chunk lies in its shard.
struct Place {
  std::uint64_t offset;
  std::uint64_t length;

  /// A chunk of zeros is not stored.
  bool absent() const { return offset == ~std::uint64_t{0} && length == ~std::uint64_t{0}; }
};

class ShardIndex {
 public:
  /// Bytes of the index of so many chunks, its checksum among them.
  static std::size_t bytes(std::size_t chunks);

  /// Reads the index, the last bytes of a shard of `shard_bytes`; nothing where its checksum does not agree.
  static std::optional<ShardIndex> parse(std::span<const std::byte> data, std::uint64_t shard_bytes);

  Place operator[](std::size_t chunk) const { return places_[chunk]; }
  std::size_t size() const { return places_.size(); }

  /// Whether a chunk lies before the index.
  bool within(Place place) const { return place.offset <= end_ && place.length <= end_ - place.offset; }

 private:
  std::vector<Place> places_;
  std::uint64_t end_ = 0;
};

/// What is wrong with a part of a shard.
struct ShardDamage {
  std::int64_t chunk;  // -1: the index
  std::uint64_t first;
  std::uint64_t end;
  std::string_view reason;
};

/// Everything that is wrong with a whole shard: its index, and each of its chunks, decoded.
std::vector<ShardDamage> shard_damages(std::span<const std::byte> shard, std::size_t chunks, std::size_t chunk_samples);

}  // namespace seizurekit::cache
