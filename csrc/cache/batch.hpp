// A batch of windows, filled from stored chunks: each chunk is decoded once, and its parts are put into every window
// that wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seizurekit::cache {

/// How `signal` is cut into chunks, and its chunks are grouped to shards.
struct Geometry {
  std::int64_t channels;
  std::int64_t chunk;  // samples of a channel in a chunk
  std::int64_t chunks_a_shard;
  float step;  // of the fixed point

  std::size_t chunk_samples() const { return static_cast<std::size_t>(channels * chunk); }
  /// Throws std::invalid_argument.
  void check() const;
};

enum class Number { float32, float16, bfloat16, int16 };

/// Stretches of `signal`, and where they are to go.
struct Batch {
  std::span<const std::int64_t> first;  // sample at which each begins
  std::int64_t length;                  // samples of each
  Number number;
  void* out;  // [window, channel, sample], contiguous
};

/// A chunk that could not be had, and a window that wanted it.
struct Unreadable {
  std::int64_t window;
  std::int64_t chunk;  // counted over all of `signal`
  std::uint64_t offset;
  std::uint64_t length;
  std::string reason;
};

/// Where stored chunks come from. Called from several threads.
class ChunkSource {
 public:
  struct Stored {
    std::span<const std::byte> data;  // empty: a chunk of zeros
    std::uint64_t offset = 0;         // in its shard
    std::uint64_t length = 0;
    std::string wrong;  // why it could not be had; empty where it could
  };

  ChunkSource() = default;
  ChunkSource(const ChunkSource&) = delete;
  ChunkSource& operator=(const ChunkSource&) = delete;
  virtual ~ChunkSource() = default;

  /// Told of all chunks of a batch, ascending, before the first is asked for.
  virtual void announce(std::span<const std::int64_t> chunks) const = 0;

  /// One chunk; its data hold until the next call with the same `room`.
  virtual Stored fetch(std::int64_t chunk, std::vector<std::byte>& room) const = 0;
};

/// Fills a batch on up to `threads` threads. Windows of which a chunk could not be had are left unfinished.
std::vector<Unreadable> fill(const Geometry& geometry, const ChunkSource& source, const Batch& batch,
                             std::size_t threads);

/// Numbers of the chunks that a batch needs, ascending, each once.
std::vector<std::int64_t> chunks_of(const Geometry& geometry, std::span<const std::int64_t> first, std::int64_t length);

}  // namespace seizurekit::cache
