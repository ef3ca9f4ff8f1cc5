// The header of an EDF, EDF+, BDF or BDF+ file.
//
// `parse_header` trusts no number in the file: whatever a header claims is held against the file's size before
// anything is allocated for it, and memory is proportional to the bytes handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "edf/issue.hpp"
#include "edf/start.hpp"

namespace seizurekit::edf {

/// Bytes a sample: EDF has 16-bit samples, BDF 24-bit ones.
enum class Format : int { edf = 2, bdf = 3 };

/// The line from digital to physical values: physical = (digital + offset) * gain.
/// Gain 1 and offset 0 where the header gives no line, because a minimum equals its maximum or a limit is blank:
/// the physical values are then the digital ones.
struct Calibration {
  double gain = 1.0;
  double offset = 0.0;
};

struct Signal {
  std::int64_t position = 0;  // among all the file's signals, from 0
  std::string label;
  std::string transducer;
  std::string physical_dimension;
  std::string prefilter;
  double physical_min = 0.0;
  double physical_max = 0.0;
  std::int64_t digital_min = 0;
  std::int64_t digital_max = 0;
  Calibration calibration;
  std::int64_t samples_per_record = 0;
  std::int64_t offset_in_record = 0;  // bytes
};

struct Header {
  Format format = Format::edf;
  bool plus = false;                  // EDF+ or BDF+
  bool marked_discontinuous = false;  // EDF+D or BDF+D
  std::string patient;
  std::string recording;
  std::string reserved;
  std::optional<Start> start;  // whole seconds; the first record's onset adds the fraction
  std::int64_t bytes = 0;      // of the header: where the first data record starts
  std::int64_t records = 0;    // whole data records in the file
  std::int64_t record_bytes = 0;
  double record_duration = 0.0;     // s; 0 only where every signal holds annotations
  std::int64_t leftover_bytes = 0;  // after the last whole record
  std::vector<Signal> signals;      // the ordinary ones, in file order
  std::vector<Signal> annotation_signals;

  std::int64_t bytes_per_sample() const { return static_cast<std::int64_t>(format); }
  double sampling_rate(const Signal& signal) const;  // Hz; 0 where the signal holds no samples
};

struct ParsedHeader {
  Header header;
  std::vector<Issue> issues;
};

/// Bytes of the whole header, from its first 256 bytes (fewer where the file is shorter) and the file's size.
std::variant<std::int64_t, Fault> header_length(std::string_view first_bytes, std::int64_t file_size);

/// The header, from the bytes that `header_length` asks for (more do no harm) and the file's size.
/// A header that breaks the specification is mended where its meaning is certain, and each mend is an Issue.
std::variant<ParsedHeader, Fault> parse_header(std::string_view bytes, std::int64_t file_size);

}  // namespace seizurekit::edf
