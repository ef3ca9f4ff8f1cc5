#include "edf/samples.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "edf/convert.hpp"
#include "edf/ranges.hpp"
#include "support/isa.hpp"
#include "support/parallel_for.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::int64_t bytes_per_thread = std::int64_t{4} * 1024 * 1024;  // less takes less time than starting a thread
constexpr std::int64_t max_threads = 16;

template <typename Sample>
void convert(Format format, const std::byte* in, std::int64_t count, const Calibration& line, Sample* out) {
  if constexpr (std::is_same_v<Sample, std::int16_t>) {
    std::memcpy(out, in, static_cast<std::size_t>(count) * sizeof(Sample));
  } else if (format == Format::edf) {
    SEIZUREKIT_DISPATCH(convert_int16, in, count, line.gain, line.offset, out);
  } else {
    SEIZUREKIT_DISPATCH(convert_int24, in, count, line.gain, line.offset, out);
  }
}

// Stored samples that are read into the scratch block at once: some data records, or a part of one.
struct Block {
  std::int64_t record;
  std::int64_t records;
  std::int64_t first_in_record;  // samples
  std::int64_t end_in_record;
};

template <typename Sample>
class StoredReader {
 public:
  StoredReader(const Source& source, const Header& header, std::span<const int> channels, std::int64_t first,
               std::int64_t count, Sample* out, std::ptrdiff_t row_stride)
      : source_(source), header_(header), first_(first), end_(first + count), out_(out), row_stride_(row_stride) {
    for (const int channel : channels) {
      signals_.push_back(&header.signals[static_cast<std::size_t>(channel)]);
    }
    samples_per_record_ = signals_.front()->samples_per_record;
    const std::int64_t row_bytes = static_cast<std::int64_t>(signals_.size()) * header.bytes_per_sample();
    samples_per_block_ = std::max<std::int64_t>(scratch_bytes / row_bytes, 1);
  }

  void read(int threads) const {
    const std::int64_t first_record = first_ / samples_per_record_;
    const std::int64_t end_record = (end_ + samples_per_record_ - 1) / samples_per_record_;
    // Threads share the samples of records that are larger than the scratch block, or else whole records.
    const std::int64_t units = samples_per_record_ > samples_per_block_ ? end_ - first_ : end_record - first_record;
    const std::int64_t parts = std::min<std::int64_t>(useful_threads(threads), units);
    parallel_for(static_cast<std::size_t>(parts), static_cast<std::size_t>(parts), [&](std::size_t i) {
      const auto part = static_cast<std::int64_t>(i);
      const std::int64_t begin = units / parts * part + std::min(part, units % parts);
      const std::int64_t end = units / parts * (part + 1) + std::min(part + 1, units % parts);
      if (samples_per_record_ > samples_per_block_) {
        read_samples(first_ + begin, first_ + end);
      } else {
        read_records(first_record + begin, first_record + end);
      }
    });
  }

 private:
  std::int64_t useful_threads(int threads) const {
    if (threads > 0) {
      return threads;
    }
    const std::int64_t bytes = (end_ - first_) * static_cast<std::int64_t>(signals_.size() * sizeof(Sample));
    const std::int64_t available = std::max<std::int64_t>(std::thread::hardware_concurrency(), 1);
    return std::clamp<std::int64_t>(bytes / bytes_per_thread, 1, std::min(available, max_threads));
  }

  RangeReader ranges(std::int64_t first_in_record, std::int64_t end_in_record) const {
    std::vector<ByteRange> ranges;
    ranges.reserve(signals_.size());
    const std::int64_t width = header_.bytes_per_sample();
    for (const Signal* signal : signals_) {
      ranges.push_back({signal->offset_in_record + first_in_record * width, (end_in_record - first_in_record) * width});
    }
    return {std::move(ranges), header_.record_bytes};
  }

  static std::unique_ptr<std::byte[]> make_scratch(std::int64_t bytes) {
    return std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(bytes + convert_overread));
  }

  // For records of which several fit into the scratch block.
  void read_records(std::int64_t first_record, std::int64_t end_record) const {
    const RangeReader whole = ranges(0, samples_per_record_);
    const std::int64_t records = std::clamp<std::int64_t>(scratch_bytes / whole.stride(), 1, end_record - first_record);
    const auto scratch = make_scratch(records * whole.stride());
    for (std::int64_t record = first_record; record < end_record; record += records) {
      read_block({record, std::min(records, end_record - record), 0, samples_per_record_}, whole, scratch.get());
    }
  }

  // For records that are larger than the scratch block.
  void read_samples(std::int64_t first, std::int64_t end) const {
    std::unique_ptr<std::byte[]> scratch;
    std::int64_t scratch_size = 0;
    while (first < end) {
      const std::int64_t record = first / samples_per_record_;
      const std::int64_t in_record = first % samples_per_record_;
      const std::int64_t count = std::min({samples_per_block_, samples_per_record_ - in_record, end - first});
      const RangeReader piece = ranges(in_record, in_record + count);
      if (piece.stride() > scratch_size) {
        scratch_size = piece.stride();
        scratch = make_scratch(scratch_size);
      }
      read_block({record, 1, in_record, in_record + count}, piece, scratch.get());
      first += count;
    }
  }

  void read_block(const Block& block, const RangeReader& ranges, std::byte* scratch) const {
    ranges.read(source_, header_.record_offset(block.record), block.records, scratch);
    for (std::size_t row = 0; row < signals_.size(); ++row) {
      for (std::int64_t i = 0; i < block.records; ++i) {
        const std::int64_t record_first = (block.record + i) * samples_per_record_;
        const std::int64_t from = std::max(record_first + block.first_in_record, first_);
        const std::int64_t to = std::min(record_first + block.end_in_record, end_);
        const std::int64_t skipped = from - record_first - block.first_in_record;
        const std::byte* in = scratch + i * ranges.stride() + ranges.offset(row) + skipped * header_.bytes_per_sample();
        Sample* out = out_ + static_cast<std::ptrdiff_t>(row) * row_stride_ + (from - first_);
        convert(header_.format, in, to - from, signals_[row]->calibration, out);
      }
    }
  }

  const Source& source_;
  const Header& header_;
  std::vector<const Signal*> signals_;
  std::int64_t first_;
  std::int64_t end_;
  Sample* out_;
  std::ptrdiff_t row_stride_;
  std::int64_t samples_per_record_ = 0;  // of a signal in a data record
  std::int64_t samples_per_block_ = 0;   // of a signal in the scratch block
};

}  // namespace

template <typename Sample>
void read_stored(const Source& source, const Header& header, std::span<const int> channels, std::int64_t first,
                 std::int64_t count, Sample* out, std::ptrdiff_t row_stride, int threads) {
  if (count > 0 && !channels.empty()) {
    StoredReader<Sample>(source, header, channels, first, count, out, row_stride).read(threads);
  }
}

template void read_stored(const Source&, const Header&, std::span<const int>, std::int64_t, std::int64_t, float*,
                          std::ptrdiff_t, int);
template void read_stored(const Source&, const Header&, std::span<const int>, std::int64_t, std::int64_t, double*,
                          std::ptrdiff_t, int);
template void read_stored(const Source&, const Header&, std::span<const int>, std::int64_t, std::int64_t, std::int32_t*,
                          std::ptrdiff_t, int);
template void read_stored(const Source&, const Header&, std::span<const int>, std::int64_t, std::int64_t, std::int16_t*,
                          std::ptrdiff_t, int);

}  // namespace seizurekit::edf
