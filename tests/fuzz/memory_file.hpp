// A file in memory that is overwritten for every input.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "require.hpp"

namespace seizurekit::fuzz {

class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) { require(descriptor_ >= 0); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  void write(const std::uint8_t* data, std::size_t size) {
    require(ftruncate(descriptor_, static_cast<off_t>(size)) == 0);
    require(pwrite(descriptor_, data, size, 0) == static_cast<ssize_t>(size));
  }

 private:
  int descriptor_;
};

}  // namespace seizurekit::fuzz
