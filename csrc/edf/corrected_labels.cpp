// Labels of a corrected header: in ASCII, none empty, none twice.
#include <set>
#include <string>

#include "edf/header_corrector.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {
namespace {

std::string unused_label(const std::string& wanted, std::size_t width, const std::set<std::string>& used) {
  std::string label = wanted;
  for (int number = 2; used.contains(label); ++number) {
    const std::string suffix = "-" + std::to_string(number);
    label = wanted.substr(0, width - suffix.size()) + suffix;
  }
  return label;
}

}  // namespace

void correct_labels(HeaderCorrector& corrector) {
  std::set<std::string> used{"EDF Annotations", "BDF Annotations"};  // these would make it another kind of signal
  for (const Signal& signal : corrector.header().signals) {
    if (!corrector.mended(corrector.field(signal_field::label, signal.position))) {
      used.insert(signal.label);
    }
  }
  for (const Signal& signal : corrector.header().signals) {
    const Field field = corrector.field(signal_field::label, signal.position);
    if (!corrector.mended(field)) {
      continue;
    }
    const std::string text = ascii_text(field);
    const std::string wanted = text.empty() ? "signal " + std::to_string(signal.position + 1) : text;
    const std::string label = unused_label(wanted, field.bytes.size(), used);
    used.insert(label);
    corrector.write(field, label);
  }
  for (const Signal& signal : corrector.header().annotation_signals) {
    const Field field = corrector.field(signal_field::label, signal.position);
    if (corrector.mended(field)) {
      corrector.write(field, ascii_text(field));
    }
  }
}

}  // namespace seizurekit::edf
