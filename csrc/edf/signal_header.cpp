// The signal headers: what is measured by each signal, and where in a record its samples stand.
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "edf/header_reader.hpp"

namespace seizurekit::edf {
namespace {

struct SignalReader {
  HeaderReader& reader;
  std::int64_t signal;
  std::int64_t signals;

  Field field(const SignalField& field) const { return reader.field(field, signal, signals); }
  std::string text(const SignalField& wanted) const { return reader.text(field(wanted)); }
};

bool is_annotation_label(std::string_view label) { return label == "EDF Annotations" || label == "BDF Annotations"; }

bool blank(const Field& field) { return read_number(field.bytes).state == NumberState::blank; }

// The widest digital range that the samples' bytes can hold.
std::pair<std::int64_t, std::int64_t> digital_limits(Format format) {
  return format == Format::bdf ? std::pair{-8388608, 8388607} : std::pair{-32768, 32767};
}

void check_digital_limit(const SignalReader& at, const SignalField& field, std::int64_t value, Format format) {
  const auto [lowest, highest] = digital_limits(format);
  if (value < lowest || value > highest) {
    const auto range = std::to_string(lowest) + " to " + std::to_string(highest);
    at.reader.mend(at.field(field), std::to_string(value) + " as it stands, though samples run from " + range);
  }
}

void calibrate(const SignalReader& at, Format format, Signal& signal) {
  using namespace signal_field;
  for (const SignalField* field : {&physical_min, &physical_max, &digital_min, &digital_max}) {
    if (blank(at.field(*field))) {
      at.reader.mend(at.field(*field), "digital values");
      return;
    }
  }
  signal.physical_min = at.reader.number(at.field(physical_min), "a number");
  signal.physical_max = at.reader.number(at.field(physical_max), "a number");
  signal.digital_min = at.reader.integer(at.field(digital_min), "a whole number");
  signal.digital_max = at.reader.integer(at.field(digital_max), "a whole number");
  if (at.reader.fault) {
    return;
  }
  check_digital_limit(at, digital_min, signal.digital_min, format);
  check_digital_limit(at, digital_max, signal.digital_max, format);
  if (signal.digital_min == signal.digital_max) {
    at.reader.mend(at.field(digital_max), quoted(at.field(digital_max).bytes) + ", the digital minimum too",
                   "digital values");
    return;
  }
  if (signal.physical_min == signal.physical_max) {
    at.reader.mend(at.field(physical_max), quoted(at.field(physical_max).bytes) + ", the physical minimum too",
                   "digital values");
    return;
  }
  if (signal.digital_min > signal.digital_max) {
    at.reader.mend(
        at.field(digital_max),
        quoted(at.field(digital_max).bytes) + ", below the digital minimum " + std::to_string(signal.digital_min),
        "the line through both limits as they stand");
  }
  if (signal.physical_min > signal.physical_max) {
    at.reader.mend(
        at.field(physical_max),
        quoted(at.field(physical_max).bytes) + ", below the physical minimum " + to_text(signal.physical_min),
        "inverted polarity");
  }
  const double gain =
      (signal.physical_max - signal.physical_min) / static_cast<double>(signal.digital_max - signal.digital_min);
  const double offset = signal.physical_max / gain - static_cast<double>(signal.digital_max);
  if (!std::isfinite(gain) || !std::isfinite(offset)) {
    at.reader.refuse(at.field(physical_max), "a physical range that double precision can hold");
    return;
  }
  signal.calibration = {gain, offset};
}

void read_samples(const SignalReader& at, Format format, Signal& signal) {
  const Field field = at.field(signal_field::samples);
  signal.samples_per_record = at.reader.integer(field, "a whole number, not below 0");
  if (signal.samples_per_record < 0) {
    at.reader.refuse(field, "a whole number, not below 0");
  } else if (signal.samples_per_record > at.reader.file_size / static_cast<std::int64_t>(format)) {
    at.reader.refuse(field,
                     "a data record that fits into the file's " + std::to_string(at.reader.file_size) + " bytes");
  }
}

// A data record's annotations are read at once; the specification wants the whole data record within 61440 bytes.
constexpr std::int64_t most_annotation_bytes = std::int64_t{64} << 20;

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
      reader.mend(field, "an empty label; the signal is known by its position");
    } else if (!is_new) {
      reader.mend(field, quoted(field.bytes) + ", the label of signal " + std::to_string(found->second + 1) + " too",
                  "the label; the signal is told apart by its position");
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
      reader.refuse(at.field(signal_field::samples),
                    "a data record that fits into the file's " + std::to_string(reader.file_size) + " bytes");
    }
    if (is_annotation_label(signal.label)) {
      if (signal.samples_per_record * header.bytes_per_sample() > most_annotation_bytes) {
        reader.refuse(at.field(signal_field::samples), "at most 64 MiB of annotations in a data record");
      }
      header.annotation_signals.push_back(std::move(signal));
      continue;
    }
    calibrate(at, header.format, signal);
    if (signal.samples_per_record == 0) {
      reader.mend(at.field(signal_field::samples), "a signal without samples");
    }
    header.signals.push_back(std::move(signal));
  }
  if (!reader.fault) {
    check_labels(reader, signals, header.signals);
  }
}

}  // namespace seizurekit::edf
