// The header of an EDF, EDF+, BDF or BDF+ file.
//
// `parse_header` checks every number against the file size before it allocates memory, so that memory is proportional
// to the size of the header.
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

/// The value is the number of bytes per sample.
enum class Format : int { edf = 2, bdf = 3 };

/// Digital values that samples can have.
struct DigitalRange {
  std::int64_t lowest;
  std::int64_t highest;
};

constexpr DigitalRange digital_range(Format format) {
  return format == Format::bdf ? DigitalRange{-8388608, 8388607} : DigitalRange{-32768, 32767};
}

/// The line from digital to physical values: physical = (digital + offset) * gain.
/// If a minimum equals its maximum or a limit is blank, physical values are the digital ones: gain 1, offset 0.
struct Calibration {
  double gain = 1.0;
  double offset = 0.0;
};

struct Signal {
  std::int64_t position = 0;  // among all signals of the file, from 0
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
  std::int64_t bytes = 0;      // size of the header: where the first data record starts
  std::int64_t records = 0;    // complete data records in the file
  std::int64_t record_bytes = 0;
  double record_duration = 0.0;     // s; 0 only if all signals are annotation signals
  std::int64_t leftover_bytes = 0;  // after the last complete record
  std::vector<Signal> signals;      // ordinary signals, in file order
  std::vector<Signal> annotation_signals;

  std::int64_t bytes_per_sample() const { return static_cast<std::int64_t>(format); }
  std::int64_t record_offset(std::int64_t record) const { return bytes + record * record_bytes; }
  double sampling_rate(const Signal& signal) const;  // Hz; 0 if the signal has no samples
};

struct ParsedHeader {
  Header header;
  std::vector<Issue> issues;
};

/// Size of the whole header, from its first 256 bytes (fewer if the file is shorter) and the file size.
std::variant<std::int64_t, Fault> header_length(std::string_view first_bytes, std::int64_t file_size);

/// The header, from at least as many bytes as `header_length` returns, and the file size.
/// A violation of the specification with a certain meaning becomes an Issue, any other one a Fault.
std::variant<ParsedHeader, Fault> parse_header(std::string_view bytes, std::int64_t file_size);

}  // namespace seizurekit::edf
