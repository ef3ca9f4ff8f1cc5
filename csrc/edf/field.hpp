// Texts and numbers in header fields. Nothing here throws, except std::bad_alloc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace seizurekit::edf {

/// A text field without its padding, as UTF-8.
struct Text {
  std::string value;
  bool had_controls = false;  // the field has control bytes, which are read as spaces
  bool was_utf8 = false;      // the field is UTF-8, but the specification requires ASCII
  bool was_latin1 = false;    // the field is neither ASCII nor UTF-8, and is decoded from Latin-1
};

/// Reads a text field.
Text read_text(std::string_view bytes);

/// Non-ASCII text as UTF-8: unchanged if it is valid UTF-8, else decoded from Latin-1.
std::string to_utf8(std::string_view bytes, bool& was_latin1);
/// Whether the bytes are valid UTF-8.
bool is_utf8(std::string_view bytes);

/// The bytes in quotes for messages. Trailing spaces are removed, and bytes that are not printable ASCII become \xNN.
std::string quote(std::string_view bytes);

enum class NumberState {
  standard,
  nonstandard,  // a decimal comma or control bytes; the value is certain
  blank,
  invalid,  // not a finite number
};

struct Number {
  double value = 0.0;
  NumberState state = NumberState::invalid;
  bool is_valid() const { return state == NumberState::standard || state == NumberState::nonstandard; }
};

/// Reads a finite decimal number: sign, digits, decimal point or comma, exponent.
Number read_number(std::string_view bytes);

struct Integer {
  std::int64_t value = 0;
  NumberState state = NumberState::invalid;
  bool is_valid() const { return state == NumberState::standard || state == NumberState::nonstandard; }
};

/// Reads an integer of at most 2^53 in magnitude. "256.0" is nonstandard; "1,000" is ambiguous, so it is invalid.
Integer read_integer(std::string_view bytes);

/// The shortest text that reads back as the same number.
std::string to_text(double value);

}  // namespace seizurekit::edf
