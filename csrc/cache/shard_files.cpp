#include "cache/shard_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

namespace seizurekit::cache {
namespace {

std::string system_error() { return std::generic_category().message(errno); }

// Returns an error message, or an empty string on success.
std::string read_exactly(const FileDescriptor& file, std::uint64_t offset, std::span<std::byte> bytes) {
  const std::int64_t count = read_at(file, static_cast<std::int64_t>(offset), bytes);
  if (count < 0) {
    return system_error();
  }
  return static_cast<std::size_t>(count) == bytes.size() ? "" : "damaged: shard is truncated";
}

}  // namespace

// The open shards of one batch.
class OpenShards final : public ChunkSource {
 public:
  explicit OpenShards(const ShardFiles& files) : files_(files) {}

  // Opens the shards and starts reading all chunks ahead, so that the disk gets the requests of the whole batch at
  // once.
  void announce(std::span<const std::int64_t> chunks) const override {
    const std::int64_t per_shard = files_.geometry_.chunks_per_shard;
    for (std::size_t i = 0; i < chunks.size();) {
      std::size_t end = i + 1;
      while (end < chunks.size() && chunks[end] == chunks[end - 1] + 1 &&
             chunks[end] / per_shard == chunks[i] / per_shard) {
        ++end;
      }
      read_ahead(chunks[i], chunks[end - 1]);
      i = end;
    }
  }

  Stored fetch(std::int64_t chunk, std::vector<std::byte>& buffer) const override {
    const auto [shard_number, in_shard] = locate(chunk);
    const auto found = shards_.find(shard_number);
    if (found == shards_.end()) {
      return {};
    }
    const Shard& shard = found->second;
    if (!shard.error.empty()) {
      return {{}, shard.offset, shard.length, shard.error};
    }
    const ChunkSpan span = (*shard.index)[in_shard];
    if (span.is_absent()) {
      return {};
    }
    Stored stored{{}, span.offset, span.length, {}};
    if (!shard.index->contains(span) || span.length == 0) {
      stored.error = "damaged: chunk offset is outside the shard";
      return stored;
    }
    buffer.resize(std::max<std::size_t>(buffer.size(), span.length));
    const auto data = std::span(buffer).first(span.length);
    stored.error = read_exactly(shard.file, span.offset, data);
    stored.data = data;
    return stored;
  }

 private:
  struct Shard {
    FileDescriptor file;
    const ShardIndex* index = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::string error;
  };

  // Index of the shard, and of the chunk in it.
  std::pair<std::int64_t, std::size_t> locate(std::int64_t chunk) const {
    const std::int64_t per_shard = files_.geometry_.chunks_per_shard;
    return {chunk / per_shard, static_cast<std::size_t>(chunk % per_shard)};
  }

  // `first` and `last` are chunks of one shard.
  void read_ahead(std::int64_t first, std::int64_t last) const {
    const auto [shard_number, begin] = locate(first);
    const std::size_t end = locate(last).second;
    if (shard_number < 0 || static_cast<std::size_t>(shard_number) >= files_.present_.size() ||
        !files_.present_[static_cast<std::size_t>(shard_number)]) {
      return;
    }
    const Shard& shard = open(shard_number);
    if (shard.index == nullptr) {
      return;
    }
    std::uint64_t from = ~std::uint64_t{0};
    std::uint64_t to = 0;
    for (std::size_t chunk = begin; chunk <= end; ++chunk) {
      const ChunkSpan span = (*shard.index)[chunk];
      if (!span.is_absent() && shard.index->contains(span)) {
        from = std::min(from, span.offset);
        to = std::max(to, span.offset + span.length);
      }
    }
    if (from < to) {
      ::posix_fadvise(shard.file.get(), static_cast<off_t>(from), static_cast<off_t>(to - from), POSIX_FADV_WILLNEED);
    }
  }

  const Shard& open(std::int64_t shard_number) const {
    const auto known = shards_.find(shard_number);
    if (known != shards_.end()) {
      return known->second;
    }
    Shard shard{open_for_reading(files_.path(shard_number).c_str()), nullptr, 0, 0, {}};
    if (!shard.file.is_open()) {
      shard.error = errno == ENOENT ? "missing shard" : system_error();
    } else {
      const auto found = files_.index(shard_number, shard.file);
      if (const auto* failure = std::get_if<ShardFiles::Failure>(&found)) {
        shard.offset = failure->offset;
        shard.length = failure->length;
        shard.error = failure->reason;
      } else {
        shard.index = std::get<const ShardIndex*>(found);
      }
    }
    return shards_.emplace(shard_number, std::move(shard)).first->second;
  }

  const ShardFiles& files_;
  mutable std::map<std::int64_t, Shard> shards_;  // does not change after `announce`
};

ShardFiles::ShardFiles(Geometry geometry, std::string folder, const std::vector<bool>& present)
    : geometry_(geometry), folder_(std::move(folder)), present_(present), indexes_(present.size()) {
  geometry_.check();
}

ShardFiles::~ShardFiles() {
  for (const auto& index : indexes_) {
    delete index.load();
  }
}

std::vector<ChunkError> ShardFiles::fill(const Batch& batch, std::size_t threads) const {
  return cache::fill(geometry_, OpenShards(*this), batch, threads);
}

std::string ShardFiles::path(std::int64_t shard) const { return folder_ + "/" + std::to_string(shard); }

std::variant<const ShardIndex*, ShardFiles::Failure> ShardFiles::index(std::int64_t shard,
                                                                       const FileDescriptor& file) const {
  auto& slot = indexes_[static_cast<std::size_t>(shard)];
  if (const ShardIndex* known = slot.load(std::memory_order_acquire)) {
    return known;
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return Failure{0, 0, system_error()};
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::size_t bytes = ShardIndex::bytes(static_cast<std::size_t>(geometry_.chunks_per_shard));
  if (size < bytes) {
    return Failure{0, size, "damaged: shard is shorter than its index"};
  }
  std::vector<std::byte> data(bytes);
  if (const auto error = read_exactly(file, size - bytes, data); !error.empty()) {
    return Failure{size - bytes, bytes, error};
  }
  auto parsed = ShardIndex::parse(data, size);
  if (!parsed) {
    return Failure{size - bytes, bytes, "damaged: checksum mismatch in the shard's index"};
  }
  auto index = std::make_unique<const ShardIndex>(std::move(*parsed));
  const ShardIndex* other = nullptr;  // set if another thread was first
  return slot.compare_exchange_strong(other, index.get()) ? index.release() : other;
}

}  // namespace seizurekit::cache
