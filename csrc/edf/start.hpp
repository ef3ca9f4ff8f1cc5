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

/// A value read from a field, and whether the field was written as the specification wants.
template <typename Value>
struct Dated {
  std::optional<Value> value;
  bool exact = false;
};

/// "dd.mm.yy", years 85 to 99 in the 20th century; other separators and missing zeros are read, not exact.
Dated<Date> read_legacy_date(std::string_view bytes);

/// "hh.mm.ss". A second of 60, as left by rounding, is the next minute's first; whatever is no time of day is none.
Dated<TimeOfDay> read_time(std::string_view bytes);

/// The date of "Startdate dd-MMM-yyyy …".
struct PlusDate {
  bool written = false;      // there is a subfield, and it is not X, which stands for unknown
  std::optional<Date> date;  // none where it is no date
};
PlusDate read_plus_date(std::string_view recording);

std::string to_text(const Date& date);
std::string to_text(const TimeOfDay& time);

}  // namespace seizurekit::edf
