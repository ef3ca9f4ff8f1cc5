#include "edf/tal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace seizurekit::edf {
namespace {

constexpr char separator = '\x14';
constexpr char duration_mark = '\x15';

struct Seconds {
  std::optional<double> value;
  bool has_comma = false;
};

// Digits with at most one decimal point or comma.
Seconds read_seconds(std::string_view text) {
  std::array<char, 64> digits{};
  Seconds seconds;
  if (text.empty() || text.size() > digits.size() || text.find_first_not_of("0123456789.,") != std::string_view::npos) {
    return seconds;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    seconds.has_comma = seconds.has_comma || text[i] == ',';
    digits[i] = text[i] == ',' ? '.' : text[i];
  }
  double value = 0.0;
  const char* last = digits.data() + text.size();
  const auto [end, code] = std::from_chars(digits.data(), last, value, std::chars_format::fixed);
  if (code == std::errc{} && end == last && value <= max_time) {
    seconds.value = value;
  }
  return seconds;
}

void read_onset(std::string_view text, Tal& tal) {
  const bool has_sign = !text.empty() && (text.front() == '+' || text.front() == '-');
  const Seconds seconds = read_seconds(has_sign ? text.substr(1) : text);
  if (!seconds.value) {
    tal.issue = TalIssue::onset_invalid;
    return;
  }
  tal.onset = has_sign && text.front() == '-' ? -*seconds.value : *seconds.value;
  if (!has_sign || seconds.has_comma) {
    tal.issue = TalIssue::onset_nonstandard;
  }
}

Tal parse(std::string_view bytes, std::size_t position) {
  Tal tal;
  tal.position = position;
  tal.bytes = bytes;
  const auto mark = bytes.find(separator);
  if (mark == std::string_view::npos) {
    tal.issue = TalIssue::onset_invalid;
    return tal;
  }
  const std::string_view times = bytes.substr(0, mark);
  const auto duration_at = times.find(duration_mark);
  read_onset(times.substr(0, duration_at), tal);
  if (!tal.onset) {
    return tal;
  }
  if (duration_at != std::string_view::npos) {
    tal.duration = read_seconds(times.substr(duration_at + 1)).value;
    if (!tal.duration) {
      tal.issue = TalIssue::duration_invalid;
    }
  }
  tal.texts = bytes.substr(mark + 1);
  if (bytes.back() != separator) {
    tal.issue = TalIssue::unterminated;
  } else if (!tal.texts.empty()) {
    tal.texts.remove_suffix(1);
  }
  return tal;
}

}  // namespace

std::optional<Tal> TalReader::next() {
  const auto first = bytes_.find_first_not_of('\0', at_);
  if (first == std::string_view::npos || bytes_.find_first_not_of(' ', first) == std::string_view::npos) {
    return std::nullopt;
  }
  const auto end = std::min(bytes_.find('\0', first), bytes_.size());
  at_ = end;
  return parse(bytes_.substr(first, end - first), first);
}

std::string_view take_text(std::string_view& texts) {
  const auto end = std::min(texts.find(separator), texts.size());
  const std::string_view text = texts.substr(0, end);
  texts.remove_prefix(std::min(end + 1, texts.size()));
  return text;
}

}  // namespace seizurekit::edf
