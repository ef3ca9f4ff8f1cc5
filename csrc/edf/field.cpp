#include "edf/field.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace seizurekit::edf {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string_view strip(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Length of the UTF-8 sequence at the start of `bytes`, or 0. Overlong forms and surrogates are invalid.
std::size_t utf8_length(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](std::size_t i, unsigned lowest = 0x80, unsigned highest = 0xbf) {
    return i < bytes.size() && byte(i) >= lowest && byte(i) <= highest;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xc2 && lead <= 0xdf) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    return continues(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool second = continues(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// "1,000" may mean one or one thousand.
bool may_separate_thousands(std::string_view bytes) {
  const auto comma = bytes.find(',');
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return comma != std::string_view::npos &&
         std::count_if(bytes.begin() + static_cast<std::ptrdiff_t>(comma), bytes.end(), digit) == 3;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0) {
      return false;
    }
    bytes.remove_prefix(length);
  }
  return true;
}

std::string to_utf8(std::string_view bytes, bool& was_latin1) {
  was_latin1 = !is_utf8(bytes);
  if (!was_latin1) {
    return std::string(bytes);
  }
  std::string text;
  for (const char c : bytes) {
    const unsigned byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0U | (byte >> 6U));
      text += static_cast<char>(0x80U | (byte & 0x3fU));
    }
  }
  return text;
}

Text read_text(std::string_view bytes) {
  Text text;
  std::string spaced(bytes);
  std::replace_if(spaced.begin(), spaced.end(), is_control, ' ');
  text.had_controls = spaced != bytes;
  const auto stripped = strip(spaced);
  const bool ascii =
      std::all_of(stripped.begin(), stripped.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  text.value = to_utf8(stripped, text.was_latin1);
  text.was_utf8 = !ascii && !text.was_latin1;
  return text;
}

std::string quote(std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  const auto end = bytes.find_last_not_of(' ');
  std::string text = "'";
  for (const char c : bytes.substr(0, end == std::string_view::npos ? 0 : end + 1)) {
    const unsigned byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += digits[byte >> 4U];
      text += digits[byte & 15U];
    }
  }
  return text + "'";
}

Number read_number(std::string_view bytes) {
  std::string text(bytes);
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  bool nonstandard = text != bytes;
  std::string_view digits = strip(text);
  if (digits.empty()) {
    return {0.0, NumberState::blank};
  }
  if (const auto comma = text.find(','); comma != std::string::npos && text.find('.') == std::string::npos) {
    text[comma] = '.';  // `digits` is a view of `text`, so it has the point too; its length stays
    nonstandard = true;
  }
  if (digits.front() == '+' && digits.size() > 1 && digits[1] != '-') {
    digits.remove_prefix(1);
  }
  double value = 0.0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value)) {
    return {0.0, NumberState::invalid};
  }
  return {value, nonstandard ? NumberState::nonstandard : NumberState::standard};
}

Integer read_integer(std::string_view bytes) {
  const Number number = read_number(bytes);
  constexpr double limit = 9007199254740992.0;
  if (!number.is_valid()) {
    return {0, number.state};
  }
  if (std::floor(number.value) != number.value || std::abs(number.value) > limit || may_separate_thousands(bytes)) {
    return {0, NumberState::invalid};
  }
  const bool plain = bytes.find_first_of(".,eE") == std::string_view::npos;
  return {static_cast<std::int64_t>(number.value), plain ? number.state : NumberState::nonstandard};
}

std::string to_text(double value) {
  std::array<char, 32> buffer{};
  const auto [end, code] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return code == std::errc{} ? std::string(buffer.data(), end) : std::string("?");
}

}  // namespace seizurekit::edf
