#include "edf/signal_header.hpp"

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "edf/field.hpp"

namespace seizurekit::edf {
namespace {

struct SignalReader {
  HeaderReader& reader;
  std::int64_t signal;
  std::int64_t signals;

  Field field(const SignalField& field) const { return reader.field(field, signal, signals); }
  std::string text(const SignalField& which) const { return reader.text(field(which)); }
};

bool is_annotation_label(std::string_view label) { return label == "EDF Annotations" || label == "BDF Annotations"; }

bool is_blank(const Field& field) { return read_number(field.bytes).state == NumberState::blank; }

void check_digital_limit(const SignalReader& at, const SignalField& field, std::int64_t value, Format format) {
  const auto [lowest, highest] = digital_range(format);
  if (value < lowest || value > highest) {
    const auto range = std::to_string(lowest) + " to " + std::to_string(highest);
    at.reader.add_issue(at.field(field), quote(at.field(field).bytes) + ", outside the range of samples " + range,
                        std::to_string(value));
  }
}

void calibrate(const SignalReader& at, Format format, Signal& signal) {
  using namespace signal_field;
  for (const SignalField* field : {&physical_min, &physical_max, &digital_min, &digital_max}) {
    if (is_blank(at.field(*field))) {
      at.reader.add_issue(at.field(*field), "physical values equal to the digital values");
      return;
    }
  }
  signal.physical_min = at.reader.number(at.field(physical_min), "a number");
  signal.physical_max = at.reader.number(at.field(physical_max), "a number");
  signal.digital_min = at.reader.integer(at.field(digital_min), "an integer");
  signal.digital_max = at.reader.integer(at.field(digital_max), "an integer");
  if (at.reader.fault) {
    return;
  }
  check_digital_limit(at, digital_min, signal.digital_min, format);
  check_digital_limit(at, digital_max, signal.digital_max, format);
  if (signal.digital_min == signal.digital_max) {
    at.reader.add_issue(at.field(digital_max), quote(at.field(digital_max).bytes) + ", equal to the digital minimum",
                        "physical values equal to the digital values");
    return;
  }
  if (signal.physical_min == signal.physical_max) {
    at.reader.add_issue(at.field(physical_max), quote(at.field(physical_max).bytes) + ", equal to the physical minimum",
                        "physical values equal to the digital values");
    return;
  }
  if (signal.digital_min > signal.digital_max) {
    at.reader.add_issue(
        at.field(digital_max),
        quote(at.field(digital_max).bytes) + ", below the digital minimum " + std::to_string(signal.digital_min),
        "a line through both limits");
  }
  if (signal.physical_min > signal.physical_max) {
    at.reader.add_issue(
        at.field(physical_max),
        quote(at.field(physical_max).bytes) + ", below the physical minimum " + to_text(signal.physical_min),
        "inverted polarity");
  }
  const double gain =
      (signal.physical_max - signal.physical_min) / static_cast<double>(signal.digital_max - signal.digital_min);
  const double offset = signal.physical_max / gain - static_cast<double>(signal.digital_max);
  if (!std::isfinite(gain) || !std::isfinite(offset)) {
    at.reader.fail(at.field(physical_max), "a physical range that fits into float64");
    return;
  }
  signal.calibration = {gain, offset};
}

void read_samples(const SignalReader& at, Format format, Signal& signal) {
  const Field field = at.field(signal_field::samples);
  signal.samples_per_record = at.reader.integer(field, "an integer of at least 0");
  if (signal.samples_per_record < 0) {
    at.reader.fail(field, "an integer of at least 0");
  } else if (signal.samples_per_record > at.reader.file_size / static_cast<std::int64_t>(format)) {
    at.reader.fail(field, "a data record that fits into the file of " + std::to_string(at.reader.file_size) + " bytes");
  }
}

// All annotations of a data record are read at once. The specification limits a whole data record to 61440 bytes.
constexpr std::int64_t max_annotation_bytes = std::int64_t{64} * 1024 * 1024;

Signal read_signal(const SignalReader& at, Format format) {
  Signal signal;
  signal.position = at.signal;
  signal.label = at.text(signal_field::label);
  signal.transducer = at.text(signal_field::transducer);
  signal.physical_dimension = at.text(signal_field::physical_dimension);
  signal.prefilter = at.text(signal_field::prefilter);
  read_samples(at, format, signal);
  return signal;
}

void check_labels(HeaderReader& reader, std::int64_t signals, const std::vector<Signal>& ordinary) {
  std::map<std::string_view, std::int64_t> first_with;
  for (const Signal& signal : ordinary) {
    const Field field = reader.field(signal_field::label, signal.position, signals);
    const auto [found, is_new] = first_with.try_emplace(signal.label, signal.position);
    if (signal.label.empty()) {
      reader.add_issue(field, "an empty label");
    } else if (!is_new) {
      reader.add_issue(field, quote(field.bytes) + ", also the label of signal " + std::to_string(found->second + 1),
                       "a duplicate label");
    }
  }
}

}  // namespace

void read_signal_headers(HeaderReader& reader, std::int64_t signals, Header& header) {
  for (std::int64_t i = 0; i < signals && !reader.fault; ++i) {
    const SignalReader at{reader, i, signals};
    Signal signal = read_signal(at, header.format);
    signal.offset_in_record = header.record_bytes;
    header.record_bytes += signal.samples_per_record * header.bytes_per_sample();
    if (header.record_bytes > reader.file_size) {
      reader.fail(at.field(signal_field::samples),
                  "a data record that fits into the file of " + std::to_string(reader.file_size) + " bytes");
    }
    if (is_annotation_label(signal.label)) {
      if (signal.samples_per_record * header.bytes_per_sample() > max_annotation_bytes) {
        reader.fail(at.field(signal_field::samples), "at most 64 MiB of annotations per data record");
      }
      header.annotation_signals.push_back(std::move(signal));
      continue;
    }
    calibrate(at, header.format, signal);
    if (signal.samples_per_record == 0) {
      reader.add_issue(at.field(signal_field::samples), "a signal without samples");
    }
    header.signals.push_back(std::move(signal));
  }
  if (!reader.fault) {
    check_labels(reader, signals, header.signals);
  }
}

}  // namespace seizurekit::edf
