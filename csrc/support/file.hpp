// File descriptors, and reads and writes of an exact number of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace seizurekit {

/// Owns an open file descriptor, or none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~FileDescriptor() { close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }
  /// Closes the file if it is open; false with errno set if the system reports an error.
  bool close();

 private:
  int descriptor_;
};

/// Opens a file for reading; check `is_open`, errno has the reason.
FileDescriptor open_for_reading(const char* path);

/// Reads `bytes.size()` bytes at `offset`. Returns the number of bytes read, which is smaller only if the file ends
/// there, or -1 with errno set.
std::int64_t read_at(const FileDescriptor& file, std::int64_t offset, std::span<std::byte> bytes);

/// Writes all of `bytes` at `offset`; false with errno set on failure.
bool write_at(const FileDescriptor& file, std::int64_t offset, std::span<const std::byte> bytes);

}  // namespace seizurekit
