#include "edf/start.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace seizurekit::edf {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Three groups of one or two digits with one other character between them.
std::optional<std::array<int, 3>> three_numbers(std::string_view bytes, bool& exact) {
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

std::optional<int> number(std::string_view digits) {
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
  static constexpr std::string_view names = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  const auto at = names.find(upper);
  return at == std::string_view::npos || at % 3 != 0 ? std::nullopt : std::optional(static_cast<int>(at / 3) + 1);
}

std::optional<Date> dashed_date(std::string_view text) {
  if (text.size() != 11 || text[2] != '-' || text[6] != '-') {
    return std::nullopt;
  }
  const auto day = number(text.substr(0, 2));
  const auto month = month_named(text.substr(3, 3));
  const auto year = number(text.substr(7, 4));
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

Dated<Date> read_legacy_date(std::string_view bytes) {
  Dated<Date> result;
  const auto numbers = three_numbers(bytes, result.exact);
  if (numbers) {
    const auto [day, month, year] = *numbers;
    const Date date{year + (year >= 85 ? 1900 : 2000), month, day};
    if (is_date(date)) {
      result.value = date;
    }
  }
  return result;
}

Dated<TimeOfDay> read_time(std::string_view bytes) {
  Dated<TimeOfDay> result;
  const auto numbers = three_numbers(bytes, result.exact);
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
  return {true, dashed_date(subfield)};
}

std::string to_text(const Date& date) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", date.year, date.month, date.day);
  return text.data();
}

std::string to_text(const TimeOfDay& time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d", time.hour, time.minute, time.second);
  return text.data();
}

}  // namespace seizurekit::edf
