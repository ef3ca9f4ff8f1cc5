// The TAL parser. The input is an annotation signal's bytes in one data record.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "edf/tal.hpp"
#include "require.hpp"

namespace {

using namespace seizurekit::edf;
using seizurekit::fuzz::require;

bool is_within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_tal(const Tal& tal, std::string_view bytes) {
  require(!tal.bytes.empty() && tal.bytes == bytes.substr(tal.position, tal.bytes.size()));
  require(is_within(tal.texts, tal.bytes));
  require(tal.onset || tal.issue == TalIssue::onset_invalid);
  require(!tal.onset || std::isfinite(*tal.onset));
  require(!tal.duration || (std::isfinite(*tal.duration) && *tal.duration >= 0.0));
  std::string_view texts = tal.texts;
  while (!texts.empty()) {
    const std::size_t before = texts.size();
    require(take_text(texts).find('\x14') == std::string_view::npos);
    require(texts.size() < before);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  TalReader reader(bytes);
  std::size_t next_position = 0;
  while (const auto tal = reader.next()) {
    require(tal->position >= next_position);
    next_position = tal->position + tal->bytes.size();
    check_tal(*tal, bytes);
  }
  return 0;
}
