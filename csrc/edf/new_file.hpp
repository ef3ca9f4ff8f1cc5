// A file that appears under its name when it is whole, or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace seizurekit::edf {

class NewFile {
 public:
  /// Opens a file of a temporary name in `path`'s folder. Throws std::filesystem::filesystem_error.
  explicit NewFile(std::filesystem::path path);
  /// Removes the temporary file unless it was put in place.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// Throws filesystem_error, e.g. where the disk is full.
  void write(std::int64_t offset, std::string_view bytes);
  /// Gives the file its name; what stood there before is replaced. Throws filesystem_error.
  void put_in_place();

 private:
  [[noreturn]] void fail(int code) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

}  // namespace seizurekit::edf
