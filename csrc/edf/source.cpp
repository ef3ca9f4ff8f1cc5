#include "edf/source.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "edf/error.hpp"

namespace seizurekit::edf {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, int code) {
  throw std::filesystem::filesystem_error("cannot read", path, std::error_code(code, std::generic_category()));
}

}  // namespace

Source::Source(const std::filesystem::path& path) : path_(path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    fail(path, errno);
  }
  if (S_ISDIR(status.st_mode)) {
    fail(path, EISDIR);
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(path, {std::nullopt, "file type", "a device, socket or pipe", "a regular file"});
  }
  file_ = open_for_reading(path.c_str());
  if (!file_.is_open()) {
    fail(path, errno);
  }
  size_ = status.st_size;
}

void Source::read(std::int64_t offset, std::span<std::byte> bytes) const {
  const std::int64_t count = read_at(file_, offset, bytes);
  if (count < 0) {
    fail(path_, errno);
  }
  if (count < static_cast<std::int64_t>(bytes.size())) {
    throw Error(path_, {offset + count, "file size", std::to_string(offset + count) + " bytes",
                        std::to_string(size_) + " bytes, the size when the file was opened"});
  }
}

}  // namespace seizurekit::edf
