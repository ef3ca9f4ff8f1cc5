#include "edf/repair/labels.hpp"

#include <set>
#include <string>

#include "edf/layout.hpp"

namespace seizurekit::edf {
namespace {

std::string unused_label(const std::string& preferred, std::size_t width, const std::set<std::string>& used) {
  std::string label = preferred;
  for (int number = 2; used.contains(label); ++number) {
    const std::string suffix = "-" + std::to_string(number);
    label = preferred.substr(0, width - suffix.size()) + suffix;
  }
  return label;
}

}  // namespace

void repair_labels(HeaderRepair& repair) {
  std::set<std::string> used{"EDF Annotations", "BDF Annotations"};  // reserved for annotation signals
  for (const Signal& signal : repair.header().signals) {
    if (!repair.has_issue(repair.field(signal_field::label, signal.position))) {
      used.insert(signal.label);
    }
  }
  for (const Signal& signal : repair.header().signals) {
    const Field field = repair.field(signal_field::label, signal.position);
    if (!repair.has_issue(field)) {
      continue;
    }
    const std::string text = ascii_text(field);
    const std::string preferred = text.empty() ? "signal " + std::to_string(signal.position + 1) : text;
    const std::string label = unused_label(preferred, field.bytes.size(), used);
    used.insert(label);
    repair.write(field, label);
  }
  for (const Signal& signal : repair.header().annotation_signals) {
    const Field field = repair.field(signal_field::label, signal.position);
    if (repair.has_issue(field)) {
      repair.write(field, ascii_text(field));
    }
  }
}

}  // namespace seizurekit::edf
