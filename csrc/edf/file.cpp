#include "edf/file.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "edf/field.hpp"
#include "edf/layout.hpp"
#include "edf/samples.hpp"

namespace seizurekit::edf {
namespace {

ParsedHeader read_header(const Source& source) {
  std::string bytes(static_cast<std::size_t>(std::min(main_header_bytes, source.size())), '\0');
  const auto fill = [&] { source.read(0, std::as_writable_bytes(std::span(bytes))); };
  fill();
  const auto length = header_length(bytes, source.size());
  if (const auto* fault = std::get_if<Fault>(&length)) {
    throw Error(source.path(), *fault);
  }
  bytes.resize(static_cast<std::size_t>(std::get<std::int64_t>(length)));
  fill();
  auto parsed = parse_header(bytes, source.size());
  if (const auto* fault = std::get_if<Fault>(&parsed)) {
    throw Error(source.path(), *fault);
  }
  return std::get<ParsedHeader>(std::move(parsed));
}

// Whether the start of the last record contradicts the number of records before it. The record duration has at most
// eight characters, so its rounding error adds up over many records.
bool onsets_disagree(const Header& header, double first, double last) {
  const double span = static_cast<double>(header.records - 1) * header.record_duration;
  return std::abs(last - first - span) > onset_tolerance(header) + 1e-5 * span;
}

std::string onset_field(std::int64_t record) { return "onset of data record " + std::to_string(record + 1); }

std::string seconds_text(double value) { return to_text(std::round(value * 1e6) / 1e6) + " s"; }

}  // namespace

File::File(const std::filesystem::path& path) : source_(path), continuous_(0, 0.0) {
  ParsedHeader parsed = read_header(source_);
  header_ = std::move(parsed.header);
  header_issues_ = std::move(parsed.issues);
  continuous_ = Timeline(header_.records, header_.record_duration);
  const auto first = record_onset(source_, header_, 0);
  const auto last = record_onset(source_, header_, header_.records - 1);
  start_offset_ = first.value_or(0.0);
  may_have_gaps_ = header_.record_duration > 0 &&
                   (header_.marked_discontinuous || (last && onsets_disagree(header_, start_offset_, *last)));
}

const AnnotationScan& File::scan() const {
  std::call_once(scanned_,
                 [this] { scan_ = std::make_unique<const AnnotationScan>(scan_annotations(source_, header_)); });
  return *scan_;
}

std::vector<Issue> File::issues() const {
  std::vector<Issue> all = header_issues_;
  const AnnotationScan& found = scan();
  const std::int64_t kind = main_field::reserved.offset;
  if (found.first_out_of_order && may_have_gaps_) {
    const std::int64_t record = *found.first_out_of_order;
    all.push_back({header_.record_offset(record), onset_field(record), "before the end of the previous data record",
                   header_.marked_discontinuous ? "a recording without times, readable only with gaps='join'"
                                                : "a continuous recording"});
  } else if (may_have_gaps_ && !header_.marked_discontinuous) {
    all.push_back({kind, std::string(main_field::reserved.name),
                   "'" + header_.reserved + "', but there are gaps between data records", "a discontinuous recording"});
  }
  all.insert(all.end(), found.issues.begin(), found.issues.end());
  std::stable_sort(all.begin(), all.end(), [](const Issue& a, const Issue& b) { return a.offset < b.offset; });
  return all;
}

bool File::is_discontinuous() const {
  if (!may_have_gaps_) {
    return false;
  }
  return scan().first_out_of_order ? header_.marked_discontinuous : scan().timeline.has_gaps();
}

const Timeline& File::timeline(Gaps gaps) const {
  if (gaps == Gaps::join || !may_have_gaps_) {
    return continuous_;
  }
  const auto& out_of_order = scan().first_out_of_order;
  if (!out_of_order) {
    return scan().timeline;
  }
  if (!header_.marked_discontinuous) {
    return continuous_;
  }
  throw Error(path(), {header_.record_offset(*out_of_order), onset_field(*out_of_order),
                       "before the end of the previous data record", "data records in time order, or gaps='join'"});
}

double File::duration(Gaps gaps) const { return timeline(gaps).duration(); }

std::int64_t File::samples(int channel, Gaps gaps) const {
  if (channel < 0 || static_cast<std::size_t>(channel) >= header_.signals.size()) {
    throw std::invalid_argument("channel is " + std::to_string(channel) + ", expected an index below " +
                                std::to_string(header_.signals.size()));
  }
  return timeline(gaps).samples(header_.signals[static_cast<std::size_t>(channel)].samples_per_record);
}

void File::check_range(std::span<const int> channels, std::int64_t first, std::int64_t count, Gaps gaps) const {
  for (const int channel : channels) {
    const std::int64_t available = samples(channel, gaps);
    const auto rate = [&](int c) { return header_.signals[static_cast<std::size_t>(c)].samples_per_record; };
    if (rate(channel) != rate(channels.front())) {
      throw std::invalid_argument("channels have several sampling rates, expected one");
    }
    if (first < 0 || count < 0 || first > available || count > available - first) {
      throw std::invalid_argument("samples are " + std::to_string(first) + " to " + std::to_string(first + count) +
                                  ", expected a range within 0 to " + std::to_string(available));
    }
  }
}

template <typename Sample>
void File::read_any(std::span<const int> channels, std::int64_t first, std::int64_t count, Sample* out,
                    std::ptrdiff_t row_stride, Gaps gaps, int threads) const {
  check_range(channels, first, count, gaps);
  if (channels.empty() || count == 0) {
    return;
  }
  const std::int64_t samples_per_record =
      header_.signals[static_cast<std::size_t>(channels.front())].samples_per_record;
  const Timeline& times = timeline(gaps);
  const std::int64_t end = first + count;
  const auto& segments = times.segments();
  const auto starts_after = [&](std::int64_t sample, const Segment& segment) {
    return sample < times.first_sample(segment, samples_per_record);
  };
  auto segment = std::upper_bound(segments.begin(), segments.end(), first, starts_after);
  if (segment != segments.begin()) {
    --segment;
  }
  std::int64_t done = first;
  for (; segment != segments.end() && done < end; ++segment) {
    const std::int64_t segment_first = times.first_sample(*segment, samples_per_record);
    const std::int64_t from = std::clamp(segment_first, done, end);
    const std::int64_t to = std::clamp(segment_first + segment->records * samples_per_record, from, end);
    if (from > done) {
      fill_gap(*segment, channels.size(), from - done, out + (done - first), row_stride, gaps);
    }
    read_stored(source_, header_, channels, segment->first_record * samples_per_record + from - segment_first,
                to - from, out + (from - first), row_stride, threads);
    done = to;
  }
}

template <typename Sample>
void File::fill_gap(const Segment& after, std::size_t rows, std::int64_t count, Sample* out, std::ptrdiff_t row_stride,
                    Gaps gaps) const {
  if (gaps == Gaps::error) {
    const Timeline& times = timeline(gaps);
    const Segment* before = &after - 1;
    const double gap_start = before->start + static_cast<double>(before->records) * header_.record_duration;
    throw Error(path(), {header_.record_offset(after.first_record), onset_field(after.first_record),
                         seconds_text(after.start) + ", after a gap from " + seconds_text(gap_start) + " (" +
                             std::to_string(times.segments().size() - 1) + " gaps in the recording)",
                         "a range without gaps, or gaps='nan' or gaps='join'"});
  }
  if constexpr (std::is_floating_point_v<Sample>) {
    for (std::size_t row = 0; row < rows; ++row) {
      Sample* begin = out + static_cast<std::ptrdiff_t>(row) * row_stride;
      std::fill(begin, begin + count, std::numeric_limits<Sample>::quiet_NaN());
    }
  } else {
    throw std::invalid_argument("gaps='nan': dtype is an integer, expected float32 or float64");
  }
}

void File::read(std::span<const int> channels, std::int64_t first, std::int64_t count, float* out,
                std::ptrdiff_t row_stride, Gaps gaps, int threads) const {
  read_any(channels, first, count, out, row_stride, gaps, threads);
}

void File::read(std::span<const int> channels, std::int64_t first, std::int64_t count, double* out,
                std::ptrdiff_t row_stride, Gaps gaps, int threads) const {
  read_any(channels, first, count, out, row_stride, gaps, threads);
}

void File::read(std::span<const int> channels, std::int64_t first, std::int64_t count, std::int32_t* out,
                std::ptrdiff_t row_stride, Gaps gaps, int threads) const {
  read_any(channels, first, count, out, row_stride, gaps, threads);
}

void File::read(std::span<const int> channels, std::int64_t first, std::int64_t count, std::int16_t* out,
                std::ptrdiff_t row_stride, Gaps gaps, int threads) const {
  if (header_.format != Format::edf) {
    throw std::invalid_argument("dtype is int16, expected int32 for the 24-bit samples of BDF");
  }
  read_any(channels, first, count, out, row_stride, gaps, threads);
}

}  // namespace seizurekit::edf
