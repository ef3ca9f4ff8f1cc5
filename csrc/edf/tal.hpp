// Time-stamped annotation lists (TALs): the text that annotation signals hold instead of samples.
//
//   TAL:  +onset [0x15 duration] 0x14 text 0x14 [text 0x14 ...] 0x00
//
// Nothing here throws or allocates.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace seizurekit::edf {

/// Longer than any recording by far, and short enough for sample numbers at any rate to fit into 64 bits.
inline constexpr double longest_time = 1e10;

enum class TalFlaw {
  none,
  onset_repaired,       // no sign, or a decimal comma: the value is certain
  onset_unreadable,     // the TAL says nothing that can be placed in time
  duration_unreadable,  // the texts stand, without a duration
  unterminated,         // the last text runs to the end of the bytes: it may have been cut
};

struct Tal {
  std::size_t position = 0;        // of its first byte, among the bytes read
  std::string_view bytes;          // the whole TAL
  std::optional<double> onset;     // s from the header's start time
  std::optional<double> duration;  // s
  std::string_view texts;          // separated by 0x14
  TalFlaw flaw = TalFlaw::none;

  /// A TAL whose first text is empty says when its data record starts, if it is the record's first.
  bool keeps_time() const { return onset && (texts.empty() || texts.front() == '\x14'); }
};

/// Reads one TAL after the other from an annotation signal's bytes in one data record.
class TalReader {
 public:
  explicit TalReader(std::string_view bytes) : bytes_(bytes) {}
  std::optional<Tal> next();

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Takes the first of `texts` off its front.
std::string_view take_text(std::string_view& texts);

}  // namespace seizurekit::edf
