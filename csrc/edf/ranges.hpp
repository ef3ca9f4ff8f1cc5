// Reads the same byte ranges of many data records with few system calls, without the bytes between the ranges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edf/source.hpp"

namespace seizurekit::edf {

/// Size of a scratch block; it fits into the second-level cache.
inline constexpr std::int64_t scratch_bytes = std::int64_t{256} * 1024;

struct ByteRange {
  std::int64_t first;  // in the data record
  std::int64_t count;
};

class RangeReader {
 public:
  /// `ranges`: in a data record of `record_bytes`, in any order.
  RangeReader(std::vector<ByteRange> ranges, std::int64_t record_bytes);

  /// Distance in the scratch block from one data record to the next.
  std::int64_t stride() const { return stride_; }
  /// Offset of range `i` in each data record of the scratch block.
  std::int64_t offset(std::size_t i) const { return offsets_[i]; }

  /// Reads the ranges of `records` data records into `scratch` of `records * stride()` bytes. The first record starts
  /// at byte `offset` of the file.
  void read(const Source& source, std::int64_t offset, std::int64_t records, std::byte* scratch) const;

 private:
  std::int64_t record_bytes_;
  std::vector<ByteRange> merged_;
  std::vector<std::int64_t> offsets_;
  std::int64_t stride_ = 0;
};

}  // namespace seizurekit::edf
