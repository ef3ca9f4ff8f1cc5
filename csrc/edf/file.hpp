// An EDF, EDF+, BDF or BDF+ file that is open for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "edf/annotations.hpp"
#include "edf/error.hpp"
#include "edf/header.hpp"
#include "edf/source.hpp"
#include "edf/timeline.hpp"

namespace seizurekit::edf {

/// What a read does at a gap between data records: raise an error, return NaN, or join the samples around it.
enum class Gaps { error, nan, join };

/// Immutable after opening; const methods may be called from several threads.
///
/// Opening reads the header and the onsets of the first and the last data record, a few kilobytes. The annotation
/// signals are read once, when they are first needed: for annotations, issues, or gaps.
class File {
 public:
  /// Throws Error if the file has a fault, std::filesystem::filesystem_error if it cannot be opened.
  explicit File(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return source_.path(); }
  const Header& header() const { return header_; }
  std::int64_t size() const { return source_.size(); }
  /// Issues of the header and the annotation signals, by offset. Reads the annotation signals.
  std::vector<Issue> issues() const;
  /// Reads the annotation signals.
  const std::vector<Annotation>& annotations() const { return scan().annotations; }
  /// Onset of the first data record, s after the header's start time.
  double start_offset() const { return start_offset_; }
  bool is_discontinuous() const;
  /// Seconds from start to end including gaps, or without them (join).
  double duration(Gaps gaps) const;

  /// Number of samples of a channel, including gaps or without them (join). Channels are indices of ordinary signals.
  std::int64_t samples(int channel, Gaps gaps) const;

  /// Reads physical samples [first, first+count) of channels of one sampling rate; row c is at out + c*row_stride.
  /// Sample indices count from the start of the recording, including gaps (error, nan) or without them (join).
  /// `threads` 0 chooses by the amount of data.
  /// Throws std::invalid_argument for channels of several rates or samples outside the recording, and Error if there is
  /// a gap among the samples (error) or the times of the records are uncertain (error, nan).
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, float* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, double* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;
  /// Reads digital values. Integers have no NaN, and BDF samples do not fit into 16 bits.
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, std::int32_t* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, std::int16_t* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;

 private:
  const AnnotationScan& scan() const;
  /// The timeline to read by; throws Error if it is uncertain.
  const Timeline& timeline(Gaps gaps) const;
  void check_range(std::span<const int> channels, std::int64_t first, std::int64_t count, Gaps gaps) const;
  template <typename Sample>
  void read_any(std::span<const int> channels, std::int64_t first, std::int64_t count, Sample* out,
                std::ptrdiff_t row_stride, Gaps gaps, int threads) const;
  template <typename Sample>
  void fill_gap(const Segment& after, std::size_t rows, std::int64_t count, Sample* out, std::ptrdiff_t row_stride,
                Gaps gaps) const;

  Source source_;
  Header header_;
  std::vector<Issue> header_issues_;
  double start_offset_ = 0.0;
  bool may_have_gaps_ = false;  // according to the onsets of first and last record, or the header
  Timeline continuous_;
  mutable std::once_flag scanned_;
  mutable std::unique_ptr<const AnnotationScan> scan_;
};

}  // namespace seizurekit::edf
