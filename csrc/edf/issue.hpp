// Violations of the specification: an issue has a certain meaning and is handled in memory, a fault has none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace seizurekit::edf {

/// A violation whose meaning is certain. Strings are UTF-8 and complete the sentence "FIELD is FOUND; read as USED".
struct Issue {
  std::int64_t offset;  // byte in the file where the field starts
  std::string field;    // name in the specification; signals are counted from 1 in file order
  std::string found;
  std::string used;
};

/// A violation without a certain meaning: the file is rejected. Strings are UTF-8 and complete the sentence
/// "FIELD is FOUND, expected EXPECTED".
struct Fault {
  std::optional<std::int64_t> offset;
  std::string field;
  std::string found;
  std::string expected;
};

}  // namespace seizurekit::edf
