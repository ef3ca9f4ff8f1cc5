// Stored chunks and shards. The first byte of the input selects what the rest is decoded as. Checksums are computed
// here, because random inputs would not pass them.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "cache/chunk.hpp"
#include "cache/crc32c.hpp"
#include "cache/lz4.hpp"
#include "cache/shard_index.hpp"
#include "require.hpp"

namespace {

using namespace seizurekit::cache;
using seizurekit::fuzz::require;

constexpr std::size_t samples = 96;
constexpr std::size_t chunks = 4;

std::vector<std::byte> with_checksum(std::span<const std::byte> data) {
  std::vector<std::byte> whole(data.begin(), data.end());
  const std::uint32_t crc = crc32c(data);
  const auto* bytes = reinterpret_cast<const std::byte*>(&crc);
  whole.insert(whole.end(), bytes, bytes + sizeof crc);
  return whole;
}

void decode_lz4(std::span<const std::byte> data, std::size_t size) {
  std::vector<std::byte> out(size + lz4_slack);
  lz4_decode(data, std::span(out).first(size));
}

void decode_chunk(std::span<const std::byte> frame) {
  ChunkDecoder decoder(samples);
  static_cast<void>(decoder.decode(with_checksum(frame)));
  require(decoder.samples().size() == samples);
}

void read_shard(std::span<const std::byte> data) {
  const std::size_t table = ShardIndex::bytes(chunks) - checksum_bytes;
  if (data.size() < table) {
    require(find_damage(data, chunks, samples).size() == 1);
    return;
  }
  const auto index = with_checksum(data.last(table));
  std::vector<std::byte> shard(data.begin(), data.end() - static_cast<std::ptrdiff_t>(table));
  shard.insert(shard.end(), index.begin(), index.end());
  for (const auto& damage : find_damage(shard, chunks, samples)) {
    require(damage.chunk >= 0 && damage.chunk < static_cast<std::int64_t>(chunks));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  if (data[0] % 3 == 0) {
    decode_lz4(rest, data[0]);
  } else if (data[0] % 3 == 1) {
    decode_chunk(rest);
  } else {
    read_shard(rest);
  }
  return 0;
}
