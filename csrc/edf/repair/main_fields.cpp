#include "edf/repair/main_fields.hpp"

#include <optional>
#include <string>

#include "edf/layout.hpp"
#include "edf/start.hpp"

namespace seizurekit::edf {
namespace {

// An unknown start: the first date that the field can hold.
constexpr std::string_view unknown_date = "01.01.85";
constexpr std::string_view unknown_time = "00.00.00";
constexpr std::string_view start_key = "Startdate ";

// The date that the reader uses, with or without a time of day.
std::optional<Date> start_date(const HeaderRepair& repair) {
  const auto legacy = read_legacy_date(repair.field(main_field::start_date).bytes).value;
  const auto plus = read_plus_date(repair.header().recording).date;
  return plus && (repair.header().plus || !legacy) ? plus : legacy;
}

bool fits_legacy_field(const Date& date) { return date.year >= 1985 && date.year <= 2084; }

// "X" if the date is unknown.
std::string plus_subfield(const std::optional<Date>& date) { return date ? plus_text(*date) : "X"; }

// The recording identification with `date` in its EDF+ subfield, the first one.
std::string with_plus_date(const std::string& recording, const std::string& date) {
  if (!recording.starts_with(start_key)) {
    return std::string(start_key) + date + " X X X" + (recording.empty() ? "" : " " + recording);
  }
  const auto rest = recording.find(' ', start_key.size());
  return std::string(start_key) + date + (rest == std::string::npos ? "" : recording.substr(rest));
}

void repair_start(HeaderRepair& repair) {
  const auto date = start_date(repair);
  const Field date_field = repair.field(main_field::start_date);
  const Field time_field = repair.field(main_field::start_time);
  // The reader ignores this field if there is an EDF+ date, but a copy that is not EDF+ needs it.
  const auto legacy = read_legacy_date(date_field.bytes);
  const bool is_valid = legacy.exact && legacy.value && !repair.has_issue(date_field);
  if (!is_valid && (!date || fits_legacy_field(*date))) {
    repair.write(date_field, date ? legacy_text(*date) : std::string(unknown_date));
  }
  if (repair.has_issue(time_field)) {
    const auto time = read_time(time_field.bytes).value;
    repair.write(time_field, time ? legacy_text(*time) : std::string(unknown_time));
  }
}

void repair_identification(HeaderRepair& repair) {
  const Field patient = repair.field(main_field::patient);
  if (repair.has_issue(patient)) {
    repair.write(patient, ascii_text(patient));
  }
  const Field recording = repair.field(main_field::recording);
  if (!repair.has_issue(recording)) {
    return;
  }
  std::string text = ascii_text(recording);
  const PlusDate plus = read_plus_date(repair.header().recording);
  if (repair.header().plus && plus.is_present && !plus.date) {
    const std::string dated = with_plus_date(text, plus_subfield(start_date(repair)));
    text = dated.size() <= recording.bytes.size() ? dated : with_plus_date(text, "X");
  }
  repair.write(recording, text);
}

// Marks the copy as EDF+ (BDF+). Its identifications start with required subfields; the old texts follow them.
void mark_as_plus(HeaderRepair& repair, const std::string& kind) {
  const Field patient_field = repair.field(main_field::patient);
  const Field recording_field = repair.field(main_field::recording);
  const std::string patient = ascii_text(patient_field);
  const std::string new_patient = patient.empty() || patient.starts_with("X X X X") ? "X X X X" : "X X X X " + patient;
  const std::string new_recording = with_plus_date(ascii_text(recording_field), plus_subfield(start_date(repair)));
  if (new_patient.size() <= patient_field.bytes.size() && new_recording.size() <= recording_field.bytes.size()) {
    repair.write(patient_field, new_patient);
    repair.write(recording_field, new_recording);
    repair.write(repair.field(main_field::reserved), kind);
  }
}

void repair_kind(HeaderRepair& repair) {
  const Header& header = repair.header();
  const Field field = repair.field(main_field::reserved);
  if (!repair.has_issue(field)) {
    return;
  }
  const std::string family = header.format == Format::bdf ? "BDF+" : "EDF+";
  const bool gaps = header.marked_discontinuous || repair.file().is_discontinuous();
  const std::string kind = family + (gaps ? "D" : "C");
  const bool has_annotations = !header.annotation_signals.empty();
  if (header.plus && !has_annotations) {
    repair.write(field, header.format == Format::bdf ? "24BIT" : "");
  } else if (header.plus) {
    const std::string text = ascii_text(field);
    repair.write(field, kind + (text.size() > kind.size() ? text.substr(kind.size()) : ""));
  } else if (has_annotations) {
    mark_as_plus(repair, kind);
  } else {
    repair.write(field, ascii_text(field));
  }
}

}  // namespace

void repair_main_fields(HeaderRepair& repair) {
  const Header& header = repair.header();
  const auto rewrite = [&](const MainField& which, std::string_view text) {
    const Field field = repair.field(which);
    if (repair.has_issue(field)) {
      repair.write(field, text);
    }
  };
  rewrite(main_field::version, header.format == Format::bdf ? "\xff"
                                                              "BIOSEMI"
                                                            : "0");
  repair_identification(repair);
  repair_start(repair);
  rewrite(main_field::header_bytes, std::to_string(header.bytes));
  repair_kind(repair);
  rewrite(main_field::records, std::to_string(header.records));
  rewrite(main_field::record_duration, standard_number(repair.field(main_field::record_duration)));
  rewrite(main_field::signals, std::to_string(repair.signals()));
}

}  // namespace seizurekit::edf
