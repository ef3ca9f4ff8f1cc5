// An open file that several threads can read at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "support/file.hpp"

namespace seizurekit::edf {

class Source {
 public:
  /// Throws std::filesystem::filesystem_error if the path cannot be opened or is a directory, Error if it is not a
  /// regular file.
  explicit Source(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::int64_t size() const { return size_; }

  /// Reads `bytes.size()` bytes at `offset`. Throws filesystem_error, or Error if the file has become shorter.
  void read(std::int64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
  std::int64_t size_ = 0;
};

}  // namespace seizurekit::edf
