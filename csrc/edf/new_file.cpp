#include "edf/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>
#include <system_error>
#include <utility>

namespace seizurekit::edf {
namespace {

constexpr int attempts = 100;

std::filesystem::path temporary_name(const std::filesystem::path& path, unsigned number) {
  return path.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(number) + ".part";
}

}  // namespace

NewFile::NewFile(std::filesystem::path path) : path_(std::move(path)) {
  if (std::filesystem::is_directory(path_)) {
    fail(EISDIR);
  }
  std::random_device random;
  for (int attempt = 0; attempt < attempts && descriptor_ < 0; ++attempt) {
    temporary_ = temporary_name(path_, random());
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) {
      break;
    }
  }
  if (descriptor_ < 0) {
    fail(errno);
  }
}

NewFile::~NewFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void NewFile::write(std::int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      fail(count < 0 ? errno : ENOSPC);
    }
    offset += count;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void NewFile::put_in_place() {
  if (::fsync(descriptor_) != 0) {
    fail(errno);
  }
  const int closing = std::exchange(descriptor_, -1);
  if (::close(closing) != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(errno);
  }
  temporary_.clear();
}

void NewFile::fail(int code) const {
  throw std::filesystem::filesystem_error("cannot write", path_, std::error_code(code, std::generic_category()));
}

}  // namespace seizurekit::edf
