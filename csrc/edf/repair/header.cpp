#include "edf/repair/header.hpp"

#include <algorithm>
#include <utility>

#include "edf/field.hpp"

namespace seizurekit::edf {
namespace {

// ASCII for U+00C0 to U+00FF.
constexpr std::string_view latin1_letters = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";

char ascii_substitute(char32_t code) {
  if (code < 0x80) {
    return static_cast<char>(code);
  }
  if (code == 0xa0) {
    return ' ';
  }
  if (code == 0xb5 || code == 0x3bc) {
    return 'u';
  }
  return code >= 0xc0 && code <= 0xff ? latin1_letters[code - 0xc0] : '?';
}

// Removes the first code point of valid UTF-8 from `text` and returns it.
char32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  text.remove_prefix(length);
  return code;
}

}  // namespace

HeaderRepair::HeaderRepair(const File& file, std::string bytes)
    : file_(file),
      signals_(file.header().bytes / signal_header_bytes - 1),
      original_(std::move(bytes)),
      source_(original_, file.size()),
      bytes_(original_) {
  for (const Issue& issue : file.issues()) {
    issues_.insert(issue.offset);
  }
}

void HeaderRepair::write(const Field& field, std::string_view text) {
  std::string padded(text.substr(0, field.bytes.size()));
  padded.resize(field.bytes.size(), ' ');
  if (padded != field.bytes) {
    bytes_.replace(static_cast<std::size_t>(field.offset), padded.size(), padded);
    repairs_.push_back({field.offset, field.name, quote(field.bytes), quote(padded)});
  }
}

std::vector<Repair> HeaderRepair::take_repairs() {
  std::stable_sort(repairs_.begin(), repairs_.end(),
                   [](const Repair& a, const Repair& b) { return a.offset < b.offset; });
  return std::move(repairs_);
}

std::string ascii_text(const Field& field) {
  const Text text = read_text(field.bytes);
  std::string ascii;
  for (std::string_view rest = text.value; !rest.empty();) {
    ascii += ascii_substitute(take_code_point(rest));
  }
  const auto first = ascii.find_first_not_of(' ');
  return first == std::string::npos ? "" : ascii.substr(first, ascii.find_last_not_of(' ') - first + 1);
}

std::string standard_number(const Field& field) {
  std::string text = read_text(field.bytes).value;
  std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

}  // namespace seizurekit::edf
