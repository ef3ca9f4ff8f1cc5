// Fills batches of windows from stored chunks. Each chunk is decoded once, and copied to every window that overlaps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/dtype.hpp"

namespace seizurekit::cache {

/// How `signal` is divided into chunks and shards.
struct Geometry {
  std::int64_t channels;
  std::int64_t chunk;  // samples per channel in a chunk
  std::int64_t chunks_per_shard;
  float step;  // value of the integer 1

  std::size_t chunk_samples() const { return static_cast<std::size_t>(channels * chunk); }
  /// Throws std::invalid_argument.
  void check() const;
};

/// Windows of `signal`, and the array to fill with them.
struct Batch {
  std::span<const std::int64_t> first;  // first sample of each window
  std::int64_t length;                  // samples per window
  DType dtype;                          // float32, float16, bfloat16 or int16
  void* out;                            // [window, channel, sample], contiguous
};

/// A chunk that could not be read, and one of the windows that overlap it.
struct ChunkError {
  std::int64_t window;
  std::int64_t chunk;  // index in `signal`
  std::uint64_t offset;
  std::uint64_t length;
  std::string reason;
};

/// Where stored chunks come from. Called from several threads.
class ChunkSource {
 public:
  struct Stored {
    std::span<const std::byte> data;  // empty: a chunk of zeros
    std::uint64_t offset = 0;         // in the shard
    std::uint64_t length = 0;
    std::string error;  // why the chunk could not be read; empty on success
  };

  ChunkSource() = default;
  ChunkSource(const ChunkSource&) = delete;
  ChunkSource& operator=(const ChunkSource&) = delete;
  virtual ~ChunkSource() = default;

  /// Called once with all chunks of a batch, ascending, before the first `fetch`.
  virtual void announce(std::span<const std::int64_t> chunks) const = 0;

  /// Returns one chunk; its data are valid until the next call with the same `buffer`.
  virtual Stored fetch(std::int64_t chunk, std::vector<std::byte>& buffer) const = 0;
};

/// Fills a batch on up to `threads` threads. Windows with a chunk that could not be read are incomplete.
std::vector<ChunkError> fill(const Geometry& geometry, const ChunkSource& source, const Batch& batch,
                             std::size_t threads);

/// Indices of the chunks that a batch needs, ascending, without duplicates.
std::vector<std::int64_t> chunks_of(const Geometry& geometry, std::span<const std::int64_t> first, std::int64_t length);

}  // namespace seizurekit::cache
