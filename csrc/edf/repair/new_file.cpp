#include "edf/repair/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <span>
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
  for (int attempt = 0; attempt < attempts && !file_.is_open(); ++attempt) {
    temporary_ = temporary_name(path_, random());
    file_ = FileDescriptor(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file_.is_open() && errno != EEXIST) {
      break;
    }
  }
  if (!file_.is_open()) {
    fail(errno);
  }
}

NewFile::~NewFile() {
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void NewFile::write(std::int64_t offset, std::string_view bytes) {
  if (!write_at(file_, offset, std::as_bytes(std::span(bytes)))) {
    fail(errno);
  }
}

void NewFile::rename() {
  if (::fsync(file_.get()) != 0 || !file_.close() || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(errno);
  }
  temporary_.clear();
}

void NewFile::fail(int code) const {
  throw std::filesystem::filesystem_error("cannot write", path_, std::error_code(code, std::generic_category()));
}

}  // namespace seizurekit::edf
