// The text and the numbers in header fields. Nothing here throws, save for want of memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace seizurekit::edf {

/// A text field without its padding, as UTF-8.
struct Text {
  std::string value;
  bool had_controls = false;  // control bytes stood in it; each counts as a space
  bool was_utf8 = false;      // not ASCII, as the specification wants, but UTF-8
  bool was_latin1 = false;    // neither ASCII nor UTF-8
};

Text read_text(std::string_view bytes);

/// Non-ASCII text as UTF-8: unchanged where it is valid UTF-8, else taken for Latin-1.
std::string to_utf8(std::string_view bytes, bool& was_latin1);
bool is_utf8(std::string_view bytes);

/// The bytes in quotes, those that are not printable ASCII as \xNN, without padding: for messages.
std::string quoted(std::string_view bytes);

enum class NumberState {
  good,
  repaired,    // a decimal comma or control bytes stood in it; the value is certain
  blank,       // nothing but padding
  unreadable,  // no finite number
};

struct Number {
  double value = 0.0;
  NumberState state = NumberState::unreadable;
  bool readable() const { return state == NumberState::good || state == NumberState::repaired; }
};

/// A decimal number: sign, digits, decimal point or comma, exponent. Finite.
Number read_number(std::string_view bytes);

struct Integer {
  std::int64_t value = 0;
  NumberState state = NumberState::unreadable;
  bool readable() const { return state == NumberState::good || state == NumberState::repaired; }
};

/// A whole number of at most 2^53 in magnitude; "256.0" is one, repaired; "1,000" is none, being ambiguous.
Integer read_integer(std::string_view bytes);

/// `value` in the shortest form that reads back as the same number.
std::string to_text(double value);

}  // namespace seizurekit::edf
