// The first 256 bytes of a corrected header.
#include <array>
#include <cstdio>
#include <string>

#include "edf/header_corrector.hpp"
#include "edf/layout.hpp"
#include "edf/start.hpp"

namespace seizurekit::edf {
namespace {

// What stands for an unknown start: the first date that the field can hold.
constexpr std::string_view unknown_date = "01.01.85";
constexpr std::string_view unknown_time = "00.00.00";
constexpr std::string_view start_key = "Startdate ";

std::string dotted(int first, int second, int third) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%02d.%02d.%02d", first, second, third);
  return text.data();
}

// The date that the reader goes by, be there a time of day or not.
std::optional<Date> start_date(const HeaderCorrector& corrector) {
  const auto legacy = read_legacy_date(corrector.field(main_field::start_date).bytes).value;
  const auto plus = read_plus_date(corrector.header().recording).date;
  return plus && (corrector.header().plus || !legacy) ? plus : legacy;
}

bool fits_legacy_field(const Date& date) { return date.year >= 1985 && date.year <= 2084; }

std::string plus_date(const std::optional<Date>& date) {
  static constexpr std::array names{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
  if (!date) {
    return "X";
  }
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%02d-%s-%04d", date->day,
                names.at(static_cast<std::size_t>(date->month - 1)), date->year);
  return text.data();
}

// The recording identification with `date` as the EDF+ date in its first subfield.
std::string with_plus_date(const std::string& recording, const std::string& date) {
  if (!recording.starts_with(start_key)) {
    return std::string(start_key) + date + " X X X" + (recording.empty() ? "" : " " + recording);
  }
  const auto rest = recording.find(' ', start_key.size());
  return std::string(start_key) + date + (rest == std::string::npos ? "" : recording.substr(rest));
}

void correct_start(HeaderCorrector& corrector) {
  const auto date = start_date(corrector);
  const Field date_field = corrector.field(main_field::start_date);
  const Field time_field = corrector.field(main_field::start_time);
  // The reader passes over this field where it has an EDF+ date; a copy that is no EDF+ file any more shows it.
  const auto legacy = read_legacy_date(date_field.bytes);
  const bool sound = legacy.exact && legacy.value && !corrector.mended(date_field);
  if (!sound && (!date || fits_legacy_field(*date))) {
    corrector.write(date_field, date ? dotted(date->day, date->month, date->year % 100) : std::string(unknown_date));
  }
  if (corrector.mended(time_field)) {
    const auto time = read_time(time_field.bytes).value;
    corrector.write(time_field, time ? dotted(time->hour, time->minute, time->second) : std::string(unknown_time));
  }
}

void correct_identification(HeaderCorrector& corrector) {
  const Field patient = corrector.field(main_field::patient);
  if (corrector.mended(patient)) {
    corrector.write(patient, ascii_text(patient));
  }
  const Field recording = corrector.field(main_field::recording);
  if (!corrector.mended(recording)) {
    return;
  }
  std::string text = ascii_text(recording);
  const PlusDate plus = read_plus_date(corrector.header().recording);
  if (corrector.header().plus && plus.written && !plus.date) {
    const std::string dated = with_plus_date(text, plus_date(start_date(corrector)));
    text = dated.size() <= recording.bytes.size() ? dated : with_plus_date(text, "X");
  }
  corrector.write(recording, text);
}

// Marks the copy as EDF+ (BDF+), which asks for identifications of a certain form: the old ones follow after it.
void mark_as_plus(HeaderCorrector& corrector, const std::string& kind) {
  const Field patient_field = corrector.field(main_field::patient);
  const Field recording_field = corrector.field(main_field::recording);
  const std::string patient = ascii_text(patient_field);
  const std::string new_patient = patient.empty() || patient.starts_with("X X X X") ? "X X X X" : "X X X X " + patient;
  const std::string new_recording = with_plus_date(ascii_text(recording_field), plus_date(start_date(corrector)));
  if (new_patient.size() <= patient_field.bytes.size() && new_recording.size() <= recording_field.bytes.size()) {
    corrector.write(patient_field, new_patient);
    corrector.write(recording_field, new_recording);
    corrector.write(corrector.field(main_field::reserved), kind);
  }
}

void correct_kind(HeaderCorrector& corrector) {
  const Header& header = corrector.header();
  const Field field = corrector.field(main_field::reserved);
  if (!corrector.mended(field)) {
    return;
  }
  const std::string family = header.format == Format::bdf ? "BDF+" : "EDF+";
  const bool gaps = header.marked_discontinuous || corrector.file().is_discontinuous();
  const std::string kind = family + (gaps ? "D" : "C");
  const bool has_annotations = !header.annotation_signals.empty();
  if (header.plus && !has_annotations) {
    corrector.write(field, header.format == Format::bdf ? "24BIT" : "");
  } else if (header.plus) {
    const std::string text = ascii_text(field);
    corrector.write(field, kind + (text.size() > kind.size() ? text.substr(kind.size()) : ""));
  } else if (has_annotations) {
    mark_as_plus(corrector, kind);
  } else {
    corrector.write(field, ascii_text(field));
  }
}

}  // namespace

void correct_main_fields(HeaderCorrector& corrector) {
  const Header& header = corrector.header();
  const auto correct = [&](const MainField& wanted, std::string_view text) {
    const Field field = corrector.field(wanted);
    if (corrector.mended(field)) {
      corrector.write(field, text);
    }
  };
  correct(main_field::version, header.format == Format::bdf ? "\xff"
                                                              "BIOSEMI"
                                                            : "0");
  correct_identification(corrector);
  correct_start(corrector);
  correct(main_field::header_bytes, std::to_string(header.bytes));
  correct_kind(corrector);
  correct(main_field::records, std::to_string(header.records));
  correct(main_field::record_duration, plain_number(corrector.field(main_field::record_duration)));
  correct(main_field::signals, std::to_string(corrector.signals()));
}

}  // namespace seizurekit::edf
