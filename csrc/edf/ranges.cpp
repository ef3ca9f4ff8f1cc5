#include "edf/ranges.hpp"

#include <algorithm>
#include <numeric>

namespace seizurekit::edf {
namespace {

// Reading a gap of this size costs as much as another system call: the kernel copies about that many bytes from its
// page cache in the time of one call.
constexpr std::int64_t cheap_gap = 4096;

std::vector<std::size_t> order_by_offset(const std::vector<ByteRange>& ranges) {
  std::vector<std::size_t> order(ranges.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return ranges[a].first < ranges[b].first; });
  return order;
}

}  // namespace

RangeReader::RangeReader(std::vector<ByteRange> ranges, std::int64_t record_bytes)
    : record_bytes_(record_bytes), offsets_(ranges.size()) {
  for (const std::size_t i : order_by_offset(ranges)) {
    const ByteRange& range = ranges[i];
    if (merged_.empty() || range.first - (merged_.back().first + merged_.back().count) > cheap_gap) {
      stride_ += merged_.empty() ? 0 : merged_.back().count;
      merged_.push_back(range);
    }
    ByteRange& last = merged_.back();
    last.count = std::max(last.count, range.first + range.count - last.first);
    offsets_[i] = stride_ + range.first - last.first;
  }
  stride_ += merged_.empty() ? 0 : merged_.back().count;
  if (merged_.size() == 1 && record_bytes - stride_ <= cheap_gap) {
    stride_ = record_bytes;
  }
}

void RangeReader::read(const Source& source, std::int64_t offset, std::int64_t records, std::byte* scratch) const {
  if (merged_.size() == 1 && stride_ == record_bytes_) {
    const std::int64_t count = (records - 1) * record_bytes_ + merged_.front().count;
    source.read(offset + merged_.front().first, {scratch, static_cast<std::size_t>(count)});
    return;
  }
  for (std::int64_t record = 0; record < records; ++record) {
    for (const ByteRange& range : merged_) {
      source.read(offset + record * record_bytes_ + range.first, {scratch, static_cast<std::size_t>(range.count)});
      scratch += range.count;
    }
  }
}

}  // namespace seizurekit::edf
