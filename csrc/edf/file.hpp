// An EDF, EDF+, BDF or BDF+ file, open for reading.
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

/// What a read does where no samples are stored: refuse, give NaN, or leave the gap out.
enum class Gaps { error, nan, join };

/// Immutable after opening; const methods may be called from several threads.
///
/// Opening reads the header and the onsets of the first and the last data record, some kilobytes whatever the
/// file's size. The annotation signals are read once, when first asked for: for annotations, for all issues, or
/// because the recording is discontinuous.
class File {
 public:
  /// Throws Error if the file is beyond repair, std::filesystem::filesystem_error if it cannot be opened.
  explicit File(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return source_.path(); }
  const Header& header() const { return header_; }
  std::int64_t size() const { return source_.size(); }
  /// What was mended, in file order; reads the annotation signals.
  std::vector<Issue> issues() const;
  /// Reads the annotation signals.
  const std::vector<Annotation>& annotations() const { return scan().annotations; }
  /// Onset of the first data record, s after the header's start time.
  double start_offset() const { return start_offset_; }
  bool is_discontinuous() const;
  /// Seconds from start to end, gaps counted, or of what is stored (join).
  double duration(Gaps gaps) const;

  /// Number of samples that reads of the channel cover; channels are positions among the ordinary signals.
  std::int64_t samples(int channel, Gaps gaps) const;

  /// Physical samples [first, first+count) of the given channels, all of one rate, row c at out + c*row_stride.
  /// The sample index runs over time from the recording's start with gaps counted (error, nan) or over stored
  /// samples (join). `threads` 0: as many as the amount of data is worth.
  /// Throws std::invalid_argument for channels of several rates or samples outside the recording, and Error where
  /// there is a gap among the samples (error) or the records' places in time are not certain (error, nan).
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, float* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, double* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;
  /// Digital values as they are stored; gaps cannot be nan, and 16 bits cannot hold a BDF file's.
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, std::int32_t* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;
  void read(std::span<const int> channels, std::int64_t first, std::int64_t count, std::int16_t* out,
            std::ptrdiff_t row_stride, Gaps gaps, int threads = 1) const;

 private:
  const AnnotationScan& scan() const;
  /// The timeline to read by; throws Error if there is no certain one.
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
  bool onsets_matter_ = false;  // the onsets of first and last record, or the header, speak of gaps
  Timeline continuous_;
  mutable std::once_flag scanned_;
  mutable std::optional<AnnotationScan> scan_;
};

}  // namespace seizurekit::edf
