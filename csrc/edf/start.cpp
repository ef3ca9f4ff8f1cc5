#include "edf/start.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace seizurekit::edf {
namespace {

constexpr std::array<const char*, 12> months{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                             "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

std::string three_numbers_text(const char* format, int first, int second, int third) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), format, first, second, third);
  return text.data();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Three groups of one or two digits, separated by one other character.
std::optional<std::array<int, 3>> read_three_numbers(std::string_view bytes, bool& exact) {
  std::array<int, 3> numbers{};
  std::size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) <= ' ') {
      ++at;
    }
  };
  exact = bytes.size() == 8 && bytes[2] == '.' && bytes[5] == '.';
  skip_blanks();
  for (std::size_t group = 0; group < 3; ++group) {
    if (group > 0 && at < bytes.size()) {
      ++at;
      skip_blanks();
    }
    const std::size_t first = at;
    while (at < bytes.size() && at - first < 2 && is_digit(bytes[at])) {
      numbers[group] = numbers[group] * 10 + (bytes[at] - '0');
      ++at;
    }
    if (at == first || (at < bytes.size() && is_digit(bytes[at]))) {
      return std::nullopt;
    }
    exact = exact && at - first == 2;
  }
  skip_blanks();
  return at == bytes.size() ? std::optional(numbers) : std::nullopt;
}

bool is_date(const Date& date) {
  using namespace std::chrono;
  return date.year >= 1 && date.year <= 9999 &&
         year_month_day(year(date.year), month(static_cast<unsigned>(date.month)), day(static_cast<unsigned>(date.day)))
             .ok();
}

std::optional<int> read_digits(std::string_view digits) {
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : digits) {
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<int> month_named(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  const auto found = std::find(months.begin(), months.end(), upper);
  return found == months.end() ? std::nullopt : std::optional(static_cast<int>(found - months.begin()) + 1);
}

std::optional<Date> read_dashed_date(std::string_view text) {
  if (text.size() != 11 || text[2] != '-' || text[6] != '-') {
    return std::nullopt;
  }
  const auto day = read_digits(text.substr(0, 2));
  const auto month = month_named(text.substr(3, 3));
  const auto year = read_digits(text.substr(7, 4));
  if (!day || !month || !year) {
    return std::nullopt;
  }
  const Date date{*year, *month, *day};
  return is_date(date) ? std::optional(date) : std::nullopt;
}

TimeOfDay next_minute(TimeOfDay time) {
  time.second = 0;
  time.minute += 1;
  time.hour += time.minute / 60;
  time.minute %= 60;
  return time;
}

}  // namespace

Parsed<Date> read_legacy_date(std::string_view bytes) {
  Parsed<Date> result;
  const auto numbers = read_three_numbers(bytes, result.exact);
  if (numbers) {
    const auto [day, month, year] = *numbers;
    const Date date{year + (year >= 85 ? 1900 : 2000), month, day};
    if (is_date(date)) {
      result.value = date;
    }
  }
  return result;
}

Parsed<TimeOfDay> read_time(std::string_view bytes) {
  Parsed<TimeOfDay> result;
  const auto numbers = read_three_numbers(bytes, result.exact);
  if (!numbers) {
    return result;
  }
  TimeOfDay time{(*numbers)[0], (*numbers)[1], (*numbers)[2]};
  if (time.second == 60 && time.minute < 60) {
    result.exact = false;
    time = next_minute(time);
  }
  if (time.hour < 24 && time.minute < 60 && time.second < 60) {
    result.value = time;
  }
  return result;
}

PlusDate read_plus_date(std::string_view recording) {
  static constexpr std::string_view key = "Startdate ";
  if (!recording.starts_with(key)) {
    return {};
  }
  recording.remove_prefix(key.size());
  const auto subfield = recording.substr(0, recording.find(' '));
  if (subfield.empty() || subfield == "X") {
    return {};
  }
  return {true, read_dashed_date(subfield)};
}

std::string to_text(const Date& date) { return three_numbers_text("%04d-%02d-%02d", date.year, date.month, date.day); }

std::string to_text(const TimeOfDay& time) {
  return three_numbers_text("%02d:%02d:%02d", time.hour, time.minute, time.second);
}

std::string legacy_text(const Date& date) {
  return three_numbers_text("%02d.%02d.%02d", date.day, date.month, date.year % 100);
}

std::string legacy_text(const TimeOfDay& time) {
  return three_numbers_text("%02d.%02d.%02d", time.hour, time.minute, time.second);
}

std::string plus_text(const Date& date) {
  const char* month = months.at(static_cast<std::size_t>(date.month - 1));
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%02d-%s-%04d", date.day, month, date.year);
  return text.data();
}

}  // namespace seizurekit::edf
