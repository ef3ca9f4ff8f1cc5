#include "support/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

static_assert(sizeof(off_t) == 8, "files are larger than 2 GiB");

namespace seizurekit {

bool FileDescriptor::close() {
  const int closing = std::exchange(descriptor_, -1);
  return closing < 0 || ::close(closing) == 0;
}

FileDescriptor open_for_reading(const char* path) { return FileDescriptor(::open(path, O_RDONLY | O_CLOEXEC)); }

std::int64_t read_at(const FileDescriptor& file, std::int64_t offset, std::span<std::byte> bytes) {
  std::int64_t done = 0;
  while (!bytes.empty()) {
    const ssize_t count = ::pread(file.get(), bytes.data(), bytes.size(), offset + done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    if (count == 0) {
      break;
    }
    done += count;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return done;
}

bool write_at(const FileDescriptor& file, std::int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file.get(), bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      errno = count < 0 ? errno : ENOSPC;
      return false;
    }
    offset += count;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace seizurekit
