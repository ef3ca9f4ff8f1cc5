#include "edf/annotations.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "edf/field.hpp"
#include "edf/ranges.hpp"
#include "edf/tal.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::size_t max_issues = 1000;

std::string_view view(const std::byte* bytes, std::int64_t count) {
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count)};
}

// Collects the TALs of one data record after the other.
class Scanner {
 public:
  explicit Scanner(const Header& header)
      : header_(header), timeline_(header.record_duration, onset_tolerance(header)) {}

  void add_record(std::int64_t record, const std::byte* scratch, const RangeReader& ranges) {
    std::optional<double> onset;
    for (std::size_t i = 0; i < header_.annotation_signals.size(); ++i) {
      const Signal& signal = header_.annotation_signals[i];
      const std::int64_t offset = header_.record_offset(record) + signal.offset_in_record;
      const auto bytes = view(scratch + ranges.offset(i), signal.samples_per_record * header_.bytes_per_sample());
      add_signal(bytes, offset, i == 0 ? &onset : nullptr);
      if (i == 0 && !onset) {
        add_issue({offset, "time-keeping annotation of data record " + std::to_string(record + 1),
                   quote(bytes.substr(0, 24)),
                   record == 0 ? "the header's start time" : "the end of the previous data record"});
      }
    }
    if (record == 0) {
      origin_ = onset.value_or(0.0);
    }
    timeline_.add(onset);
  }

  AnnotationScan finish() && {
    for (Annotation& annotation : annotations_) {
      annotation.onset -= origin_;
    }
    std::stable_sort(annotations_.begin(), annotations_.end(),
                     [](const Annotation& a, const Annotation& b) { return a.onset < b.onset; });
    if (unlisted_ > 0) {
      issues_.push_back({issues_.back().offset, "number of annotation issues",
                         std::to_string(std::int64_t{max_issues} + unlisted_),
                         "the first " + std::to_string(max_issues) + "; " + std::to_string(unlisted_) +
                             " more annotation issues are not listed"});
    }
    return {std::move(annotations_), std::move(issues_), timeline_.build(), timeline_.first_out_of_order()};
  }

 private:
  void add_signal(std::string_view bytes, std::int64_t offset, std::optional<double>* onset) {
    TalReader reader(bytes);
    for (bool first = true; auto tal = reader.next(); first = false) {
      const std::int64_t position = offset + static_cast<std::int64_t>(tal->position);
      add_tal_issue(*tal, position);
      if (!tal->onset) {
        continue;
      }
      const double seconds = *tal->onset;
      if (onset && first && tal->is_timekeeping()) {
        *onset = seconds;
      }
      add_texts(*tal, seconds, position);
    }
  }

  void add_texts(const Tal& tal, double onset, std::int64_t position) {
    for (std::string_view texts = tal.texts; !texts.empty();) {
      const std::string_view text = take_text(texts);
      if (text.empty()) {
        continue;
      }
      bool was_latin1 = false;
      annotations_.push_back({onset, tal.duration, to_utf8(text, was_latin1)});
      if (was_latin1) {
        add_issue({position, "annotation text", quote(text), "Latin-1, because it is not UTF-8"});
      }
    }
  }

  void add_tal_issue(const Tal& tal, std::int64_t position) {
    if (tal.issue == TalIssue::none) {
      return;
    }
    const std::string found = quote(tal.bytes.substr(0, 80));
    switch (tal.issue) {
      case TalIssue::none:
        return;
      case TalIssue::onset_nonstandard:
        return add_issue({position, "annotation onset", found, to_text(tal.onset.value_or(0.0)) + " s"});
      case TalIssue::onset_invalid:
        return add_issue({position, "annotation onset", found, "no annotation"});
      case TalIssue::duration_invalid:
        return add_issue({position, "annotation duration", found, "no duration"});
      case TalIssue::unterminated:
        return add_issue(
            {position, "annotation text", found + ", not terminated", "the text up to the end of the data record"});
    }
  }

  void add_issue(Issue issue) {
    if (issues_.size() < max_issues) {
      issues_.push_back(std::move(issue));
    } else {
      ++unlisted_;
    }
  }

  const Header& header_;
  TimelineBuilder timeline_;
  double origin_ = 0.0;
  std::vector<Annotation> annotations_;
  std::vector<Issue> issues_;
  std::int64_t unlisted_ = 0;
};

}  // namespace

std::optional<double> record_onset(const Source& source, const Header& header, std::int64_t record) {
  // The time-keeping TAL is the first one, and no onset is longer.
  constexpr std::int64_t enough = 256;
  if (header.annotation_signals.empty()) {
    return std::nullopt;
  }
  const Signal& signal = header.annotation_signals.front();
  std::array<std::byte, enough> bytes{};
  const std::int64_t count = std::min(enough, signal.samples_per_record * header.bytes_per_sample());
  source.read(header.record_offset(record) + signal.offset_in_record, {bytes.data(), static_cast<std::size_t>(count)});
  const auto tal = TalReader(view(bytes.data(), count)).next();
  return tal && tal->is_timekeeping() ? tal->onset : std::nullopt;
}

double onset_tolerance(const Header& header) {
  constexpr double rounding = 1.1e-3;  // of two onsets to milliseconds, half of one each, and of binary fractions
  double fastest = 0.0;
  for (const Signal& signal : header.signals) {
    fastest = std::max(fastest, header.sampling_rate(signal));
  }
  return fastest == 0.0 ? rounding : std::max(rounding, 0.5 / fastest);
}

AnnotationScan scan_annotations(const Source& source, const Header& header) {
  std::vector<ByteRange> ranges_in_record;
  ranges_in_record.reserve(header.annotation_signals.size());
  for (const Signal& signal : header.annotation_signals) {
    ranges_in_record.push_back({signal.offset_in_record, signal.samples_per_record * header.bytes_per_sample()});
  }
  if (ranges_in_record.empty()) {
    return {{}, {}, Timeline(header.records, header.record_duration), std::nullopt};
  }
  const RangeReader ranges(ranges_in_record, header.record_bytes);
  const std::int64_t block =
      std::clamp(scratch_bytes / std::max<std::int64_t>(ranges.stride(), 1), std::int64_t{1}, header.records);
  const auto scratch = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(block * ranges.stride()));
  Scanner scanner(header);
  for (std::int64_t first = 0; first < header.records; first += block) {
    const std::int64_t records = std::min(block, header.records - first);
    ranges.read(source, header.record_offset(first), records, scratch.get());
    for (std::int64_t i = 0; i < records; ++i) {
      scanner.add_record(first + i, scratch.get() + i * ranges.stride(), ranges);
    }
  }
  return std::move(scanner).finish();
}

}  // namespace seizurekit::edf
