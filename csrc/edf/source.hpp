// A file open for reading at any place, from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace seizurekit::edf {

class Source {
 public:
  /// Throws std::filesystem::filesystem_error if the path cannot be opened or is a directory, Error if it is
  /// anything else than a regular file.
  explicit Source(const std::filesystem::path& path);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::int64_t size() const { return size_; }

  /// Fills `bytes` from `offset` on. Throws filesystem_error, or Error if the file has become shorter.
  void read(std::int64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace seizurekit::edf
