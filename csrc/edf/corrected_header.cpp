#include "edf/corrected_header.hpp"

#include <algorithm>
#include <utility>

#include "edf/field.hpp"
#include "edf/header_corrector.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {
namespace {

// ASCII for U+00C0 to U+00FF.
constexpr std::string_view latin1_letters = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";

char ascii_of(char32_t code) {
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

// The first code point of valid UTF-8, taken off the front of `text`.
char32_t take_code(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  text.remove_prefix(length);
  return code;
}

void correct_texts(HeaderCorrector& corrector) {
  using namespace signal_field;
  for (std::int64_t signal = 0; signal < corrector.signals(); ++signal) {
    for (const SignalField* text : {&transducer, &physical_dimension, &prefilter}) {
      const Field field = corrector.field(*text, signal);
      if (corrector.mended(field)) {
        corrector.write(field, ascii_text(field));
      }
    }
  }
}

void correct_sample_counts(HeaderCorrector& corrector) {
  for (const auto* signals : {&corrector.header().signals, &corrector.header().annotation_signals}) {
    for (const Signal& signal : *signals) {
      const Field field = corrector.field(signal_field::samples, signal.position);
      if (corrector.mended(field)) {
        corrector.write(field, std::to_string(signal.samples_per_record));
      }
    }
  }
}

}  // namespace

HeaderCorrector::HeaderCorrector(const File& file, std::string_view bytes)
    : file_(file), signals_(file.header().bytes / signal_header_bytes - 1), found_{bytes, file.size()}, bytes_(bytes) {
  for (const Issue& issue : file.issues()) {
    offsets_.insert(issue.offset);
  }
}

void HeaderCorrector::write(const Field& field, std::string_view text) {
  std::string padded(text.substr(0, field.bytes.size()));
  padded.resize(field.bytes.size(), ' ');
  if (padded != field.bytes) {
    bytes_.replace(static_cast<std::size_t>(field.offset), padded.size(), padded);
    repairs_.push_back({field.offset, field.name, quoted(field.bytes), edf::quoted(padded)});
  }
}

std::string ascii_text(const Field& field) {
  const Text text = read_text(field.bytes);
  std::string ascii;
  for (std::string_view rest = text.value; !rest.empty();) {
    ascii += ascii_of(take_code(rest));
  }
  const auto first = ascii.find_first_not_of(' ');
  return first == std::string::npos ? "" : ascii.substr(first, ascii.find_last_not_of(' ') - first + 1);
}

std::string plain_number(const Field& field) {
  std::string text = read_text(field.bytes).value;
  std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

CorrectedHeader correct_header(const File& file, std::string_view bytes) {
  HeaderCorrector corrector(file, bytes);
  correct_main_fields(corrector);
  correct_labels(corrector);
  correct_texts(corrector);
  correct_limits(corrector);
  correct_sample_counts(corrector);
  CorrectedHeader corrected{corrector.take_bytes(), corrector.take_repairs()};
  std::stable_sort(corrected.repairs.begin(), corrected.repairs.end(),
                   [](const Repair& a, const Repair& b) { return a.offset < b.offset; });
  return corrected;
}

}  // namespace seizurekit::edf
