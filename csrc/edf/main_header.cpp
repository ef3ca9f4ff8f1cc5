#include "edf/main_header.hpp"

#include <string>
#include <utility>

#include "edf/field.hpp"
#include "edf/start.hpp"

namespace seizurekit::edf {
namespace {

std::int64_t header_bytes_of(std::int64_t signals) { return main_header_bytes + signals * signal_header_bytes; }

// The date of the start, from the legacy field or the recording identification.
Parsed<Date> read_date(HeaderReader& reader, const Header& header) {
  const Field legacy_field = reader.field(main_field::start_date);
  const Field recording = reader.field(main_field::recording);
  Parsed<Date> legacy = read_legacy_date(legacy_field.bytes);
  const PlusDate plus = read_plus_date(header.recording);
  if (header.plus && plus.is_present && !plus.date) {
    reader.add_issue(recording, legacy.value ? to_text(*legacy.value) + ", the startdate field" : "no date");
  }
  if (!plus.date || (!header.plus && legacy.value)) {
    return legacy;
  }
  if (!legacy.value || (header.plus && *legacy.value != *plus.date)) {
    reader.add_issue(legacy_field, to_text(*plus.date) + ", the date in the recording identification");
    return {plus.date, true};
  }
  return legacy;
}

void read_start(HeaderReader& reader, Header& header) {
  const Field date_field = reader.field(main_field::start_date);
  const Field time_field = reader.field(main_field::start_time);
  const Parsed<Date> date = read_date(reader, header);
  const Parsed<TimeOfDay> time = read_time(time_field.bytes);
  if (!date.value) {
    reader.add_issue(date_field, "no start time");
  } else if (!date.exact) {
    reader.add_issue(date_field, to_text(*date.value));
  }
  if (!time.value) {
    reader.add_issue(time_field, "no start time");
  } else if (!time.exact) {
    reader.add_issue(time_field, to_text(*time.value));
  }
  if (date.value && time.value) {
    header.start = Start{*date.value, *time.value};
  }
}

void read_kind(HeaderReader& reader, Header& header) {
  const Field field = reader.field(main_field::reserved);
  header.reserved = reader.text(field);
  const std::string_view kind = header.reserved;
  header.plus = kind.starts_with("EDF+") || kind.starts_with("BDF+");
  header.marked_discontinuous = header.plus && kind.substr(4, 1) == "D";
  if (header.plus && kind.substr(4, 1) != "D" && kind.substr(4, 1) != "C") {
    reader.add_issue(field, "'" + std::string(kind.substr(0, 4)) + "C', continuous");
  }
}

void read_record_duration(HeaderReader& reader, Header& header) {
  constexpr double max_duration = 99999999;  // the largest number of eight digits
  const Field field = reader.field(main_field::record_duration);
  header.record_duration = reader.number(field, "a number of seconds");
  if (!(header.record_duration >= 0 && header.record_duration <= max_duration)) {
    reader.fail(field, "0 to 99999999 s");
  }
}

}  // namespace

std::int64_t read_signal_count(HeaderReader& reader) {
  const Field count_field = reader.field(main_field::signals);
  const Field size_field = reader.field(main_field::header_bytes);
  const Integer count = read_integer(count_field.bytes);
  const Integer size = read_integer(size_field.bytes);
  if (count.is_valid() && count.value > 0) {
    if (count.state == NumberState::nonstandard) {
      reader.add_issue(count_field, std::to_string(count.value));
    }
    if (size.state != NumberState::standard || size.value != header_bytes_of(count.value)) {
      reader.add_issue(size_field, std::to_string(header_bytes_of(count.value)));
    }
    return count.value;
  }
  if (!size.is_valid() || size.value <= main_header_bytes || size.value % signal_header_bytes != 0) {
    reader.fail(count_field, "an integer above 0");
    return 0;
  }
  const std::int64_t signals = size.value / signal_header_bytes - 1;
  if (size.state == NumberState::nonstandard) {
    reader.add_issue(size_field, std::to_string(size.value));
  }
  reader.add_issue(count_field, std::to_string(signals) + ", from the header size");
  return signals;
}

void read_main_header(HeaderReader& reader, std::int64_t signals, Header& header) {
  header.bytes = header_bytes_of(signals);
  header.patient = reader.text(reader.field(main_field::patient));
  header.recording = reader.text(reader.field(main_field::recording));
  read_kind(reader, header);
  read_start(reader, header);
  read_record_duration(reader, header);
}

}  // namespace seizurekit::edf
