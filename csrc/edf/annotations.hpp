// The annotation signals: annotations, and the start of each data record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edf/header.hpp"
#include "edf/issue.hpp"
#include "edf/source.hpp"
#include "edf/timeline.hpp"

namespace seizurekit::edf {

struct Annotation {
  double onset;                    // s from the start of the first data record
  std::optional<double> duration;  // s
  std::string text;                // UTF-8
};

/// Onset in the time-keeping TAL of one data record, s after the header's start time; none if it is invalid.
std::optional<double> record_onset(const Source& source, const Header& header, std::int64_t record);

/// A record whose onset differs by less than this from the end of the previous record has no gap before it: half a
/// sample of the fastest signal, but at least a millisecond, because onsets are often rounded to one.
double onset_tolerance(const Header& header);

struct AnnotationScan {
  std::vector<Annotation> annotations;  // by onset, then in file order
  std::vector<Issue> issues;            // at most a thousand, then a summary
  Timeline timeline;
  std::optional<std::int64_t> first_out_of_order;  // a record that starts before the previous one ends
};

/// Reads the annotation signals of every data record.
AnnotationScan scan_annotations(const Source& source, const Header& header);

}  // namespace seizurekit::edf
