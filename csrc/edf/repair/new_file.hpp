// A file that appears under its name only when it is complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "support/file.hpp"

namespace seizurekit::edf {

class NewFile {
 public:
  /// Opens a file with a temporary name in the same folder. Throws std::filesystem::filesystem_error.
  explicit NewFile(std::filesystem::path path);
  /// Removes the temporary file unless it was renamed.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// Throws filesystem_error, for example if the disk is full.
  void write(std::int64_t offset, std::string_view bytes);
  /// Renames the file to `path` and replaces an existing one. Throws filesystem_error.
  void rename();

 private:
  [[noreturn]] void fail(int code) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  FileDescriptor file_;
};

}  // namespace seizurekit::edf
