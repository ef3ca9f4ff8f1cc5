// Reads the same byte ranges of many data records, with few system calls and without the bytes between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edf/source.hpp"

namespace seizurekit::edf {

struct ByteRange {
  std::int64_t first;  // in the data record
  std::int64_t count;
};

class RangeReader {
 public:
  /// `wanted`: ranges in a data record of `record_bytes`, in any order.
  RangeReader(std::vector<ByteRange> wanted, std::int64_t record_bytes);

  /// Distance in the scratch block from one data record to the next.
  std::int64_t stride() const { return stride_; }
  /// Where range `i` of `wanted` starts in the scratch block, in each data record.
  std::int64_t place(std::size_t i) const { return places_[i]; }

  /// Reads the ranges of `records` data records, the first of which starts at byte `offset` of the file, into
  /// `scratch` of `records * stride()` bytes.
  void read(const Source& source, std::int64_t offset, std::int64_t records, std::byte* scratch) const;

 private:
  std::int64_t record_bytes_;
  std::vector<ByteRange> merged_;
  std::vector<std::int64_t> places_;
  std::int64_t stride_ = 0;
};

}  // namespace seizurekit::edf
