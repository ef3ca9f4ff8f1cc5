// Time-stamped annotation lists (TALs), the content of annotation signals.
//
//   TAL:  +onset [0x15 duration] 0x14 text 0x14 [text 0x14 ...] 0x00
//
// Nothing here throws or allocates.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace seizurekit::edf {

/// Far longer than any recording; sample indices at any sampling rate still fit into 64 bits.
inline constexpr double max_time = 1e10;

/// The issue of a TAL. If it has several, the last one found replaces the others: one issue for each TAL is listed.
enum class TalIssue {
  none,
  onset_nonstandard,  // no sign, or a decimal comma: the value is certain
  onset_invalid,      // the TAL has no time, so it is skipped
  duration_invalid,   // the TAL is read without a duration
  unterminated,       // the last text continues to the end of the bytes: it may be cut
};

struct Tal {
  std::size_t position = 0;        // of its first byte in the bytes read
  std::string_view bytes;          // the whole TAL
  std::optional<double> onset;     // s after the header's start time
  std::optional<double> duration;  // s
  std::string_view texts;          // separated by 0x14
  TalIssue issue = TalIssue::none;

  /// Whether the first text is empty. The first TAL of a data record then gives the start of the record.
  bool is_timekeeping() const { return onset && (texts.empty() || texts.front() == '\x14'); }
};

/// Reads the TALs of one annotation signal in one data record.
class TalReader {
 public:
  explicit TalReader(std::string_view bytes) : bytes_(bytes) {}
  std::optional<Tal> next();

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Removes the first text from `texts` and returns it.
std::string_view take_text(std::string_view& texts);

}  // namespace seizurekit::edf
