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

constexpr std::size_t most_issues = 1000;
constexpr std::int64_t scratch_bytes = 256 * 1024;

std::string_view view(const std::byte* bytes, std::int64_t count) {
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count)};
}

// Gathers what the TALs say, data record by data record.
class Scanner {
 public:
  explicit Scanner(const Header& header)
      : header_(header), timeline_(header.record_duration, onset_tolerance(header)) {}

  void add_record(std::int64_t record, const std::byte* scratch, const RangeReader& ranges) {
    std::optional<double> onset;
    for (std::size_t i = 0; i < header_.annotation_signals.size(); ++i) {
      const Signal& signal = header_.annotation_signals[i];
      const std::int64_t offset = header_.bytes + record * header_.record_bytes + signal.offset_in_record;
      const auto bytes = view(scratch + ranges.place(i), signal.samples_per_record * header_.bytes_per_sample());
      add_signal(bytes, offset, i == 0 ? &onset : nullptr);
      if (i == 0 && !onset) {
        list({offset, "time-keeping annotation of data record " + std::to_string(record + 1),
              quoted(bytes.substr(0, 24)),
              record == 0 ? "the header's start time" : "the end of the data record before"});
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
      issues_.push_back({issues_.back().offset, "annotations", std::to_string(unlisted_) + " issues more",
                         "the same rules; only the first " + std::to_string(most_issues) + " are listed"});
    }
    return {std::move(annotations_), std::move(issues_), timeline_.build(), timeline_.first_out_of_order()};
  }

 private:
  void add_signal(std::string_view bytes, std::int64_t offset, std::optional<double>* onset) {
    TalReader reader(bytes);
    for (bool first = true; auto tal = reader.next(); first = false) {
      const std::int64_t place = offset + static_cast<std::int64_t>(tal->position);
      list_flaw(*tal, place);
      if (!tal->onset) {
        continue;
      }
      if (onset && first && tal->keeps_time()) {
        *onset = tal->onset;
      }
      add_texts(*tal, place);
    }
  }

  void add_texts(const Tal& tal, std::int64_t place) {
    for (std::string_view texts = tal.texts; !texts.empty();) {
      const std::string_view text = take_text(texts);
      if (text.empty()) {
        continue;
      }
      bool was_latin1 = false;
      annotations_.push_back({*tal.onset, tal.duration, to_utf8(text, was_latin1)});
      if (was_latin1) {
        list({place, "annotation text", quoted(text), "Latin-1, for it is not UTF-8"});
      }
    }
  }

  void list_flaw(const Tal& tal, std::int64_t place) {
    const std::string found = quoted(tal.bytes.substr(0, 80));
    switch (tal.flaw) {
      case TalFlaw::none:
        return;
      case TalFlaw::onset_repaired:
        return list({place, "annotation onset", found, to_text(*tal.onset) + " s"});
      case TalFlaw::onset_unreadable:
        return list({place, "annotation onset", found, "nothing; the annotation is left out"});
      case TalFlaw::duration_unreadable:
        return list({place, "annotation duration", found, "no duration"});
      case TalFlaw::unterminated:
        return list(
            {place, "annotation text", found + " without an end", "the text up to where it ends in the data record"});
    }
  }

  void list(Issue issue) {
    if (issues_.size() < most_issues) {
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
  // The time-keeping TAL stands first, and no onset is longer.
  constexpr std::int64_t enough = 256;
  if (header.annotation_signals.empty()) {
    return std::nullopt;
  }
  const Signal& signal = header.annotation_signals.front();
  std::array<std::byte, enough> bytes{};
  const std::int64_t count = std::min(enough, signal.samples_per_record * header.bytes_per_sample());
  source.read(header.bytes + record * header.record_bytes + signal.offset_in_record,
              {bytes.data(), static_cast<std::size_t>(count)});
  const auto tal = TalReader(view(bytes.data(), count)).next();
  return tal && tal->keeps_time() ? tal->onset : std::nullopt;
}

double onset_tolerance(const Header& header) {
  double fastest = 0.0;
  for (const Signal& signal : header.signals) {
    fastest = std::max(fastest, header.sampling_rate(signal));
  }
  return fastest == 0.0 ? 1e-3 : std::max(1e-3, 0.5 / fastest);
}

AnnotationScan scan_annotations(const Source& source, const Header& header) {
  std::vector<ByteRange> wanted;
  for (const Signal& signal : header.annotation_signals) {
    wanted.push_back({signal.offset_in_record, signal.samples_per_record * header.bytes_per_sample()});
  }
  if (wanted.empty()) {
    return {{}, {}, Timeline(header.records, header.record_duration), std::nullopt};
  }
  const RangeReader ranges(wanted, header.record_bytes);
  const std::int64_t block =
      std::clamp(scratch_bytes / std::max<std::int64_t>(ranges.stride(), 1), std::int64_t{1}, header.records);
  const auto scratch = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(block * ranges.stride()));
  Scanner scanner(header);
  for (std::int64_t first = 0; first < header.records; first += block) {
    const std::int64_t records = std::min(block, header.records - first);
    ranges.read(source, header.bytes + first * header.record_bytes, records, scratch.get());
    for (std::int64_t i = 0; i < records; ++i) {
      scanner.add_record(first + i, scratch.get() + i * ranges.stride(), ranges);
    }
  }
  return std::move(scanner).finish();
}

}  // namespace seizurekit::edf
