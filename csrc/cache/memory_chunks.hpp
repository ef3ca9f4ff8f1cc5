// Chunks that were already fetched, for example from an object store.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/batch.hpp"

namespace seizurekit::cache {

/// Stored chunks in memory.
class MemoryChunks final : public ChunkSource {
 public:
  struct Entry {
    std::int64_t chunk;
    Stored stored;
  };

  /// `entries` by ascending chunk.
  explicit MemoryChunks(std::vector<Entry> entries) : entries_(std::move(entries)) {}

  void announce(std::span<const std::int64_t> /*chunks*/) const override {}

  Stored fetch(std::int64_t chunk, std::vector<std::byte>& /*buffer*/) const override {
    const auto entry = std::lower_bound(entries_.begin(), entries_.end(), chunk,
                                        [](const Entry& each, std::int64_t index) { return each.chunk < index; });
    if (entry == entries_.end() || entry->chunk != chunk) {
      return {{}, 0, 0, "chunk was not fetched"};
    }
    return entry->stored;
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace seizurekit::cache
