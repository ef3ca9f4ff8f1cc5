#include "edf/source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "edf/error.hpp"

static_assert(sizeof(off_t) == 8, "offsets beyond 2 GiB");

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
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) {
    fail(path, errno);
  }
  size_ = status.st_size;
}

Source::~Source() { ::close(descriptor_); }

void Source::read(std::int64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const auto count = ::pread(descriptor_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail(path_, errno);
    }
    if (count == 0) {
      throw Error(path_, {offset, "file size", std::to_string(offset) + " bytes",
                          std::to_string(size_) + " bytes, as when the file was opened"});
    }
    offset += count;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace seizurekit::edf
