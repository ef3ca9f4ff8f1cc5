// What the annotation signals say: annotations, and when each data record started.
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

/// The onset in the time-keeping TAL of one data record, s from the header's start time, if it can be read.
std::optional<double> record_onset(const Source& source, const Header& header, std::int64_t record);

/// Records whose onsets differ from their predecessor's end by less are taken to follow it at once: half a sample
/// of the fastest signal, and no less than the millisecond that onsets are often rounded to.
double onset_tolerance(const Header& header);

struct AnnotationScan {
  std::vector<Annotation> annotations;  // by onset, else in file order
  std::vector<Issue> issues;            // a file that is wrong throughout has its first thousand listed
  Timeline timeline;
  std::optional<std::int64_t> first_out_of_order;  // a record that starts before its predecessor ends
};

/// Reads the annotation signals of every data record.
AnnotationScan scan_annotations(const Source& source, const Header& header);

}  // namespace seizurekit::edf
