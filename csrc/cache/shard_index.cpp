#include "cache/shard_index.hpp"

#include "cache/chunk.hpp"
#include "cache/crc32c.hpp"
#include "cache/little_endian.hpp"

namespace seizurekit::cache {

std::size_t ShardIndex::bytes(std::size_t chunks) { return chunks * sizeof(ChunkSpan) + checksum_bytes; }

std::optional<ShardIndex> ShardIndex::parse(std::span<const std::byte> data, std::uint64_t shard_bytes) {
  const auto table = data.first(data.size() - checksum_bytes);
  if (crc32c(table) != little_endian<std::uint32_t>(data.last(checksum_bytes))) {
    return std::nullopt;
  }
  ShardIndex index;
  index.end_ = shard_bytes - data.size();
  for (auto rest = table; rest.size() >= sizeof(ChunkSpan); rest = rest.subspan(sizeof(ChunkSpan))) {
    index.spans_.push_back(little_endian<ChunkSpan>(rest));
  }
  return index;
}

std::vector<Damage> find_damage(std::span<const std::byte> shard, std::size_t chunks, std::size_t chunk_samples) {
  const std::size_t index_bytes = ShardIndex::bytes(chunks);
  if (shard.size() < index_bytes) {
    return {{-1, 0, shard.size(), "shard is shorter than its index"}};
  }
  const auto index = ShardIndex::parse(shard.last(index_bytes), shard.size());
  if (!index) {
    return {{-1, shard.size() - index_bytes, shard.size(), "checksum mismatch"}};
  }
  std::vector<Damage> all;
  ChunkDecoder decoder(chunk_samples);
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const ChunkSpan span = (*index)[chunk];
    if (span.is_absent()) {
      continue;
    }
    const auto error = index->contains(span) ? decoder.decode(shard.subspan(span.offset, span.length))
                                             : std::string_view("chunk offset is outside the shard");
    if (!error.empty()) {
      all.push_back({static_cast<std::int64_t>(chunk), span.offset, span.offset + span.length, error});
    }
  }
  return all;
}

}  // namespace seizurekit::cache
