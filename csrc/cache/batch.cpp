#include "cache/batch.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "cache/chunk.hpp"
#include "cache/kernels.hpp"
#include "support/parallel_for.hpp"

namespace seizurekit::cache {
namespace {

// Larger batches do not stay in the CPU's cache, so they are written past it.
constexpr std::size_t streaming_bytes = std::size_t{4} << 20;

// The overlap of a chunk and a window.
struct Part {
  std::int64_t chunk;
  std::int64_t window;
};

std::vector<Part> parts_of(const Geometry& geometry, std::span<const std::int64_t> first, std::int64_t length) {
  std::vector<Part> parts;
  parts.reserve(first.size() * static_cast<std::size_t>(length / geometry.chunk + 2));
  for (std::size_t window = 0; window < first.size(); ++window) {
    const std::int64_t end = first[window] + length;
    for (std::int64_t chunk = first[window] / geometry.chunk; chunk * geometry.chunk < end; ++chunk) {
      parts.push_back({chunk, static_cast<std::int64_t>(window)});
    }
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.chunk != b.chunk ? a.chunk < b.chunk : a.window < b.window; });
  return parts;
}

void convert(const std::int16_t* from, std::size_t count, float step, DType dtype, bool streaming, std::byte* out) {
  switch (dtype) {
    case DType::float32:
      SEIZUREKIT_DISPATCH(to_float32, from, count, step, reinterpret_cast<float*>(out), streaming);
      break;
    case DType::float16:
      SEIZUREKIT_DISPATCH(to_float16, from, count, step, reinterpret_cast<std::uint16_t*>(out));
      break;
    case DType::bfloat16:
      SEIZUREKIT_DISPATCH(to_bfloat16, from, count, step, reinterpret_cast<std::uint16_t*>(out));
      break;
    default:
      std::memcpy(out, from, count * sizeof(std::int16_t));
  }
}

class BatchFiller {
 public:
  BatchFiller(const Geometry& geometry, const ChunkSource& source, const Batch& batch)
      : geometry_(geometry), source_(source), batch_(batch), parts_(parts_of(geometry, batch.first, batch.length)) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (i == 0 || parts_[i].chunk != parts_[i - 1].chunk) {
        chunks_.push_back(parts_[i].chunk);
        begins_.push_back(i);
      }
    }
    begins_.push_back(parts_.size());
    const std::size_t samples = batch.first.size() * static_cast<std::size_t>(batch.length * geometry.channels);
    streaming_ = samples * bytes_of(batch.dtype) > streaming_bytes;
  }

  std::vector<ChunkError> run(std::size_t threads) {
    source_.announce(chunks_);
    threads = std::clamp<std::size_t>(threads, 1, std::max<std::size_t>(chunks_.size(), 1));
    parallel_for(threads, threads, [this](std::size_t) { work(); });
    std::sort(errors_.begin(), errors_.end(), [](const ChunkError& a, const ChunkError& b) {
      return a.window != b.window ? a.window < b.window : a.chunk < b.chunk;
    });
    return std::move(errors_);
  }

 private:
  void work() {
    ChunkDecoder decoder(geometry_.chunk_samples());
    std::vector<std::byte> buffer;
    for (std::size_t i = next_.fetch_add(1); i < chunks_.size(); i = next_.fetch_add(1)) {
      const auto stored = source_.fetch(chunks_[i], buffer);
      std::string error = stored.error;
      if (error.empty() && !stored.data.empty()) {
        const auto damage = decoder.decode(stored.data);
        error = damage.empty() ? "" : "damaged: " + std::string(damage);
      }
      if (!error.empty()) {
        add_error(i, stored, error);
        continue;
      }
      for (std::size_t part = begins_[i]; part < begins_[i + 1]; ++part) {
        copy(parts_[part], stored.data.empty() ? nullptr : decoder.samples().data());
      }
    }
  }

  // `samples` is null for a chunk of zeros.
  void copy(const Part& part, const std::int16_t* samples) const {
    const auto window = static_cast<std::size_t>(part.window);
    const std::int64_t chunk_first = part.chunk * geometry_.chunk;
    const std::int64_t begin = std::max(batch_.first[window], chunk_first);
    const std::int64_t end = std::min(batch_.first[window] + batch_.length, chunk_first + geometry_.chunk);
    const auto count = static_cast<std::size_t>(end - begin);
    const std::size_t bytes = bytes_of(batch_.dtype);
    for (std::int64_t channel = 0; channel < geometry_.channels; ++channel) {
      const std::int64_t row = part.window * geometry_.channels + channel;
      const auto offset = static_cast<std::size_t>(row * batch_.length + begin - batch_.first[window]);
      std::byte* const out = static_cast<std::byte*>(batch_.out) + offset * bytes;
      if (samples == nullptr) {
        std::memset(out, 0, count * bytes);
      } else {
        convert(samples + channel * geometry_.chunk + (begin - chunk_first), count, geometry_.step, batch_.dtype,
                streaming_, out);
      }
    }
  }

  void add_error(std::size_t i, const ChunkSource::Stored& stored, const std::string& reason) {
    const std::lock_guard lock(mutex_);
    for (std::size_t part = begins_[i]; part < begins_[i + 1]; ++part) {
      errors_.push_back({parts_[part].window, chunks_[i], stored.offset, stored.length, reason});
    }
  }

  const Geometry& geometry_;
  const ChunkSource& source_;
  const Batch& batch_;
  std::vector<Part> parts_;
  std::vector<std::int64_t> chunks_;
  std::vector<std::size_t> begins_;  // first part of each chunk, and the number of parts
  bool streaming_ = false;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::vector<ChunkError> errors_;
};

}  // namespace

void Geometry::check() const {
  constexpr std::int64_t most = std::int64_t{1} << 28;
  if (channels < 1 || chunk < 1 || chunks_per_shard < 1 || channels > most / chunk || chunks_per_shard > most) {
    throw std::invalid_argument("geometry: expected channels, chunk and chunks_per_shard from 1 to 2^28");
  }
  if (!(step > 0.0F && step <= 1.0F)) {
    throw std::invalid_argument("step: expected a number above 0 and at most 1");
  }
}

std::vector<ChunkError> fill(const Geometry& geometry, const ChunkSource& source, const Batch& batch,
                             std::size_t threads) {
  return BatchFiller(geometry, source, batch).run(threads);
}

std::vector<std::int64_t> chunks_of(const Geometry& geometry, std::span<const std::int64_t> first,
                                    std::int64_t length) {
  std::vector<std::int64_t> chunks;
  for (const Part& part : parts_of(geometry, first, length)) {
    if (chunks.empty() || chunks.back() != part.chunk) {
      chunks.push_back(part.chunk);
    }
  }
  return chunks;
}

}  // namespace seizurekit::cache
