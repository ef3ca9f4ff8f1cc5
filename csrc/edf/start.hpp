// When a recording started: the legacy date and time fields and the EDF+ date in the recording field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace seizurekit::edf {

struct Date {
  int year;
  int month;
  int day;
  bool operator==(const Date&) const = default;
};

struct TimeOfDay {
  int hour;
  int minute;
  int second;
};

struct Start {
  Date date;
  TimeOfDay time;
};

/// A value from a field, and whether the field has exactly the form of the specification.
template <typename Value>
struct Parsed {
  std::optional<Value> value;
  bool exact = false;
};

/// "dd.mm.yy", years 85 to 99 in the 20th century. Other separators and missing zeros are accepted, but not exact.
Parsed<Date> read_legacy_date(std::string_view bytes);

/// "hh.mm.ss". A second of 60, which comes from rounding, is second 0 of the next minute.
Parsed<TimeOfDay> read_time(std::string_view bytes);

/// The date of "Startdate dd-MMM-yyyy …".
struct PlusDate {
  bool is_present = false;   // there is a subfield other than X, which means unknown
  std::optional<Date> date;  // none if the subfield is not a date
};
PlusDate read_plus_date(std::string_view recording);

/// "yyyy-mm-dd" and "hh:mm:ss", for messages.
std::string to_text(const Date& date);
std::string to_text(const TimeOfDay& time);

/// "dd.mm.yy" and "hh.mm.ss", for the legacy fields.
std::string legacy_text(const Date& date);
std::string legacy_text(const TimeOfDay& time);

/// "dd-MMM-yyyy", for the EDF+ subfield.
std::string plus_text(const Date& date);

}  // namespace seizurekit::edf
