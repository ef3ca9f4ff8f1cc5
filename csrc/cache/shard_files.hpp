// Chunks from the shards of a local folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cache/batch.hpp"
#include "cache/shard_index.hpp"

namespace seizurekit::cache {

/// The files `<folder>/<shard number>`. Files are opened for a batch and closed after it: a store has thousands, and
/// one that goes away is noticed. Indexes are kept. Holds no lock, so that a forked process can go on with it.
class ShardFiles {
 public:
  /// `present`: for each shard whether it has a file; the chunks of one without are zeros.
  ShardFiles(Geometry geometry, std::string folder, const std::vector<bool>& present);
  ~ShardFiles();
  ShardFiles(const ShardFiles&) = delete;
  ShardFiles& operator=(const ShardFiles&) = delete;

  const Geometry& geometry() const { return geometry_; }

  /// Fills a batch, see `cache::fill`.
  std::vector<Unreadable> fill(const Batch& batch, std::size_t threads) const;

 private:
  friend class OpenShards;

  struct Failure {
    std::uint64_t offset;
    std::uint64_t length;
    std::string reason;
  };

  std::string path(std::int64_t shard) const;
  std::variant<const ShardIndex*, Failure> index(std::int64_t shard, int file) const;

  Geometry geometry_;
  std::string folder_;
  std::vector<bool> present_;
  mutable std::vector<std::atomic<const ShardIndex*>> indexes_;
};

}  // namespace seizurekit::cache
