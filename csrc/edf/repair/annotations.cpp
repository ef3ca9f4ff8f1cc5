#include "edf/repair/annotations.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

#include "edf/field.hpp"
#include "edf/tal.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::size_t max_quote = 80;

bool is_valid(const Tal& tal) { return tal.issue == TalIssue::none && is_utf8(tal.texts); }

std::string with_decimal_point(std::string_view seconds) {
  std::string text(seconds);
  std::replace(text.begin(), text.end(), ',', '.');
  return text;
}

std::string repaired_times(const Tal& tal) {
  const std::string_view times = tal.bytes.substr(0, tal.bytes.find('\x14'));
  const std::string_view onset = times.substr(0, times.find('\x15'));
  const bool has_sign = onset.front() == '+' || onset.front() == '-';
  std::string text = (has_sign ? "" : "+") + with_decimal_point(onset);
  if (tal.duration) {
    text += '\x15' + with_decimal_point(times.substr(times.find('\x15') + 1));
  }
  return text;
}

std::string repaired_texts(std::string_view texts) {
  if (texts.empty()) {
    return "\x14";
  }
  std::string repaired;
  while (!texts.empty()) {
    bool was_latin1 = false;
    repaired += to_utf8(take_text(texts), was_latin1) + '\x14';
  }
  return repaired;
}

// The TAL in standard form; empty if it has no onset.
std::string repaired_tal(const Tal& tal) {
  if (!tal.onset) {
    return {};
  }
  std::string text = is_valid(tal) ? std::string(tal.bytes) : repaired_times(tal) + '\x14' + repaired_texts(tal.texts);
  text += '\0';
  return text;
}

// With the shortest decimal form of the onset that has no exponent, as TALs require.
std::string timekeeping_tal(double onset) {
  std::array<char, 400> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), onset, std::chars_format::fixed);
  std::string text = (onset < 0 ? "" : "+") + std::string(buffer.data(), result.ptr) + "\x14\x14";
  text += '\0';
  return text;
}

std::vector<Tal> tals_of(std::string_view bytes) {
  std::vector<Tal> tals;
  TalReader reader(bytes);
  while (const auto tal = reader.next()) {
    tals.push_back(*tal);
  }
  return tals;
}

std::string quote_start(std::string_view bytes) { return quote(bytes.substr(0, max_quote)); }

}  // namespace

double AnnotationRepair::next_onset(double onset) {
  ++records_;
  return is_continuous_ ? start_offset_ + static_cast<double>(records_) * record_duration_ : onset + record_duration_;
}

std::optional<std::string> AnnotationRepair::repair(std::size_t signal, std::string_view bytes, std::int64_t offset) {
  const std::vector<Tal> tals = tals_of(bytes);
  std::string text;
  std::vector<Repair> repairs;
  if (signal == 0) {
    const bool has_onset = !tals.empty() && tals.front().is_timekeeping();
    const double onset = has_onset ? tals.front().onset.value_or(expected_onset_) : expected_onset_;
    expected_onset_ = next_onset(onset);
    if (!has_onset && std::abs(onset) > max_time) {
      return std::nullopt;  // the reader rejects it, so every copy would need the same repair again
    }
    if (!has_onset) {
      text = timekeeping_tal(onset);
      repairs.push_back({offset, "time-keeping annotation", quote_start(bytes), quote(text)});
    }
  }
  for (const Tal& tal : tals) {
    const std::string written = repaired_tal(tal);
    if (!is_valid(tal)) {
      repairs.push_back({offset + static_cast<std::int64_t>(tal.position), "annotation", quote_start(tal.bytes),
                         written.empty() ? "nothing" : quote_start(written)});
    }
    text += written;
  }
  if (repairs.empty() || text.size() > bytes.size()) {
    return std::nullopt;
  }
  text.resize(bytes.size(), '\0');
  std::move(repairs.begin(), repairs.end(), std::back_inserter(repairs_));
  return text;
}

}  // namespace seizurekit::edf
