#include "cache/shard_index.hpp"

#include "cache/chunk.hpp"
#include "cache/crc32c.hpp"
#include "cache/little_endian.hpp"

namespace seizurekit::cache {

std::size_t ShardIndex::bytes(std::size_t chunks) { return chunks * sizeof(Place) + checksum_bytes; }

std::optional<ShardIndex> ShardIndex::parse(std::span<const std::byte> data, std::uint64_t shard_bytes) {
  const auto table = data.first(data.size() - checksum_bytes);
  if (crc32c(table) != little_endian<std::uint32_t>(data.last(checksum_bytes))) {
    return std::nullopt;
  }
  ShardIndex index;
  index.end_ = shard_bytes - data.size();
  for (auto rest = table; rest.size() >= sizeof(Place); rest = rest.subspan(sizeof(Place))) {
    index.places_.push_back(little_endian<Place>(rest));
  }
  return index;
}

std::vector<ShardDamage> shard_damages(std::span<const std::byte> shard, std::size_t chunks,
                                       std::size_t chunk_samples) {
  const std::size_t index_bytes = ShardIndex::bytes(chunks);
  if (shard.size() < index_bytes) {
    return {{-1, 0, shard.size(), "it is shorter than an index"}};
  }
  const auto index = ShardIndex::parse(shard.last(index_bytes), shard.size());
  if (!index) {
    return {{-1, shard.size() - index_bytes, shard.size(), "its checksum does not agree"}};
  }
  std::vector<ShardDamage> found;
  ChunkDecoder decoder(chunk_samples);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const Place place = (*index)[chunk];
    if (place.absent()) {
      continue;
    }
    const auto wrong = index->within(place) ? decoder.decode(shard.subspan(place.offset, place.length))
                                            : std::string_view("its place is outside of the shard");
    if (!wrong.empty()) {
      found.push_back({static_cast<std::int64_t>(chunk), place.offset, place.offset + place.length, wrong});
    }
  }
  return found;
}

}  // namespace seizurekit::cache
