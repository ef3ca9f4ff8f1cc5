// Chunks that were fetched before, as from an object store.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/batch.hpp"

namespace seizurekit::cache {

/// Stored chunks in memory, by their ascending numbers; one without data is a chunk of zeros.
class MemoryChunks final : public ChunkSource {
 public:
  struct Entry {
    std::int64_t chunk;
    Stored stored;
  };

  explicit MemoryChunks(std::vector<Entry> entries) : entries_(std::move(entries)) {}

  void announce(std::span<const std::int64_t> /*chunks*/) const override {}

  Stored fetch(std::int64_t chunk, std::vector<std::byte>& /*room*/) const override {
    const auto found = std::lower_bound(entries_.begin(), entries_.end(), chunk,
                                        [](const Entry& entry, std::int64_t wanted) { return entry.chunk < wanted; });
    if (found == entries_.end() || found->chunk != chunk) {
      return {{}, 0, 0, "it was not fetched"};
    }
    return found->stored;
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace seizurekit::cache
