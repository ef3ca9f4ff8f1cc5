// Chunks from the shards in a local folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "cache/batch.hpp"
#include "cache/shard_index.hpp"
#include "support/file.hpp"

namespace seizurekit::cache {

/// The files `<folder>/<shard index>`. They are opened for a batch and closed after it, because a store has thousands
/// of them, and so that a deleted one is noticed. Shard indexes stay in memory. There are no locks, so forked processes
/// can use the object.
class ShardFiles {
 public:
  /// `present`: for each shard whether it has a file. The chunks of other shards are zeros.
  ShardFiles(Geometry geometry, std::string folder, const std::vector<bool>& present);
  ~ShardFiles();
  ShardFiles(const ShardFiles&) = delete;
  ShardFiles& operator=(const ShardFiles&) = delete;

  const Geometry& geometry() const { return geometry_; }

  /// Fills a batch, see `cache::fill`.
  std::vector<ChunkError> fill(const Batch& batch, std::size_t threads) const;

 private:
  friend class OpenShards;

  struct Failure {
    std::uint64_t offset;
    std::uint64_t length;
    std::string reason;
  };

  std::string path(std::int64_t shard) const;
  std::variant<const ShardIndex*, Failure> index(std::int64_t shard, const FileDescriptor& file) const;

  Geometry geometry_;
  std::string folder_;
  std::vector<bool> present_;
  mutable std::vector<std::atomic<const ShardIndex*>> indexes_;
};

}  // namespace seizurekit::cache
