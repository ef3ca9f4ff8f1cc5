#include "cache/shard_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

namespace seizurekit::cache {
namespace {

std::string system_reason() { return std::generic_category().message(errno); }

// Reads exactly data.size() bytes; empty, or why not.
std::string read_at(int file, std::uint64_t offset, std::span<std::byte> data) {
  while (!data.empty()) {
    const ssize_t count = ::pread(file, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return system_reason();
    }
    if (count == 0) {
      return "the file ends before it";
    }
    offset += static_cast<std::uint64_t>(count);
    data = data.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_ < 0) {
      wrong_ = errno == ENOENT ? "missing shard" : system_reason();
    }
  }
  OpenFile(OpenFile&& other) noexcept : file_(std::exchange(other.file_, -1)), wrong_(std::move(other.wrong_)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }

  int get() const { return file_; }
  const std::string& wrong() const { return wrong_; }

 private:
  int file_;
  std::string wrong_;
};

}  // namespace

// The shards of one batch.
class OpenShards final : public ChunkSource {
 public:
  explicit OpenShards(const ShardFiles& shards) : shards_(shards) {}

  // Opens what is needed and has the system begin to read all of it, so that a disk sees the whole batch at once.
  void announce(std::span<const std::int64_t> chunks) const override {
    const std::int64_t a_shard = shards_.geometry_.chunks_a_shard;
    for (std::size_t i = 0; i < chunks.size();) {
      std::size_t end = i + 1;
      while (end < chunks.size() && chunks[end] == chunks[end - 1] + 1 &&
             chunks[end] / a_shard == chunks[i] / a_shard) {
        ++end;
      }
      announce_run(chunks[i], chunks[end - 1]);
      i = end;
    }
  }

  Stored fetch(std::int64_t chunk, std::vector<std::byte>& room) const override {
    const auto [shard, within] = placed(chunk);
    const auto opened = opened_.find(shard);
    if (opened == opened_.end()) {
      return {};
    }
    if (!opened->second.wrong.empty()) {
      return {{}, opened->second.offset, opened->second.length, opened->second.wrong};
    }
    const ShardIndex& index = *opened->second.index;
    const Place place = index[within];
    if (place.absent()) {
      return {};
    }
    Stored stored{{}, place.offset, place.length, {}};
    if (!index.within(place) || place.length == 0) {
      stored.wrong = "damaged: its place is outside of the shard";
      return stored;
    }
    room.resize(std::max<std::size_t>(room.size(), place.length));
    const auto data = std::span(room).first(place.length);
    stored.wrong = read_at(opened->second.file.get(), place.offset, data);
    stored.data = data;
    return stored;
  }

 private:
  struct Opened {
    OpenFile file;
    const ShardIndex* index = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::string wrong = {};
  };

  std::pair<std::int64_t, std::size_t> placed(std::int64_t chunk) const {
    const std::int64_t a_shard = shards_.geometry_.chunks_a_shard;
    return {chunk / a_shard, static_cast<std::size_t>(chunk % a_shard)};
  }

  void announce_run(std::int64_t first, std::int64_t last) const {
    const auto [shard, begin] = placed(first);
    const std::size_t end = placed(last).second;
    if (shard < 0 || static_cast<std::size_t>(shard) >= shards_.present_.size() ||
        !shards_.present_[static_cast<std::size_t>(shard)]) {
      return;
    }
    const Opened& opened = open(shard);
    if (opened.index == nullptr) {
      return;
    }
    std::uint64_t from = ~std::uint64_t{0};
    std::uint64_t to = 0;
    for (std::size_t chunk = begin; chunk <= end; ++chunk) {
      const Place place = (*opened.index)[chunk];
      if (!place.absent() && opened.index->within(place)) {
        from = std::min(from, place.offset);
        to = std::max(to, place.offset + place.length);
      }
    }
    if (from < to) {
      ::posix_fadvise(opened.file.get(), static_cast<off_t>(from), static_cast<off_t>(to - from), POSIX_FADV_WILLNEED);
    }
  }

  const Opened& open(std::int64_t shard) const {
    const auto known = opened_.find(shard);
    if (known != opened_.end()) {
      return known->second;
    }
    Opened opened{OpenFile(shards_.path(shard))};
    opened.wrong = opened.file.wrong();
    if (opened.wrong.empty()) {
      const auto found = shards_.index(shard, opened.file.get());
      if (const auto* failure = std::get_if<ShardFiles::Failure>(&found)) {
        opened.offset = failure->offset;
        opened.length = failure->length;
        opened.wrong = failure->reason;
      } else {
        opened.index = std::get<const ShardIndex*>(found);
      }
    }
    return opened_.emplace(shard, std::move(opened)).first->second;
  }

  const ShardFiles& shards_;
  mutable std::map<std::int64_t, Opened> opened_;  // complete once everything is announced
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

std::vector<Unreadable> ShardFiles::fill(const Batch& batch, std::size_t threads) const {
  return cache::fill(geometry_, OpenShards(*this), batch, threads);
}

std::string ShardFiles::path(std::int64_t shard) const { return folder_ + "/" + std::to_string(shard); }

std::variant<const ShardIndex*, ShardFiles::Failure> ShardFiles::index(std::int64_t shard, int file) const {
  auto& kept = indexes_[static_cast<std::size_t>(shard)];
  if (const ShardIndex* known = kept.load(std::memory_order_acquire)) {
    return known;
  }
  struct stat status{};
  if (::fstat(file, &status) != 0) {
    return Failure{0, 0, system_reason()};
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::size_t bytes = ShardIndex::bytes(static_cast<std::size_t>(geometry_.chunks_a_shard));
  if (size < bytes) {
    return Failure{0, size, "damaged: the shard is shorter than its index"};
  }
  std::vector<std::byte> data(bytes);
  if (const auto wrong = read_at(file, size - bytes, data); !wrong.empty()) {
    return Failure{size - bytes, bytes, wrong};
  }
  auto parsed = ShardIndex::parse(data, size);
  if (!parsed) {
    return Failure{size - bytes, bytes, "damaged: the checksum of the shard's index does not agree"};
  }
  auto made = std::make_unique<const ShardIndex>(std::move(*parsed));
  const ShardIndex* expected = nullptr;
  if (kept.compare_exchange_strong(expected, made.get())) {
    return made.release();
  }
  return expected;
}

}  // namespace seizurekit::cache
