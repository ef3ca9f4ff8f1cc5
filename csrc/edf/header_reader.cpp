#include "edf/header_reader.hpp"

#include <utility>

#include "edf/field.hpp"

namespace seizurekit::edf {

Field HeaderReader::field(const MainField& field) const {
  return {std::string(field.name), field.offset,
          bytes.substr(static_cast<std::size_t>(field.offset), static_cast<std::size_t>(field.width))};
}

Field HeaderReader::field(const SignalField& field, std::int64_t signal, std::int64_t signals) const {
  const std::int64_t offset = offset_of(field, signal, signals);
  return {std::string(field.name) + " of signal " + std::to_string(signal + 1), offset,
          bytes.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(field.width))};
}

void HeaderReader::add_issue(const Field& field, std::string used) {
  add_issue(field, quote(field.bytes), std::move(used));
}

void HeaderReader::add_issue(const Field& field, std::string found, std::string used) {
  issues.push_back({field.offset, field.name, std::move(found), std::move(used)});
}

void HeaderReader::fail(const Field& field, std::string expected) {
  if (!fault) {
    fault = Fault{field.offset, field.name, quote(field.bytes), std::move(expected)};
  }
}

std::string HeaderReader::text(const Field& field) {
  Text text = read_text(field.bytes);
  if (text.had_controls || text.was_utf8 || text.was_latin1) {
    const std::string encoding = text.was_latin1 ? " (Latin-1)" : text.was_utf8 ? " (UTF-8)" : "";
    add_issue(field, "'" + text.value + "'" + encoding);
  }
  return std::move(text.value);
}

double HeaderReader::number(const Field& field, std::string_view expected) {
  const Number number = read_number(field.bytes);
  if (!number.is_valid()) {
    fail(field, std::string(expected));
  } else if (number.state == NumberState::nonstandard) {
    add_issue(field, to_text(number.value));
  }
  return number.value;
}

std::int64_t HeaderReader::integer(const Field& field, std::string_view expected) {
  const Integer number = read_integer(field.bytes);
  if (!number.is_valid()) {
    fail(field, std::string(expected));
  } else if (number.state == NumberState::nonstandard) {
    add_issue(field, std::to_string(number.value));
  }
  return number.value;
}

}  // namespace seizurekit::edf
