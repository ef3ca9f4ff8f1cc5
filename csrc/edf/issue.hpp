// What is wrong with a file: an issue was mended in memory, a fault cannot be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace seizurekit::edf {

/// Something that breaks the specification and whose meaning is certain all the same. Strings are UTF-8.
struct Issue {
  std::int64_t offset;  // byte in the file where the field starts
  std::string field;    // the field's name in the specification; signals are counted from 1 in file order
  std::string found;
  std::string used;
};

/// Something whose meaning is not certain: the file is refused. Strings are UTF-8.
struct Fault {
  std::optional<std::int64_t> offset;
  std::string field;
  std::string found;
  std::string wanted;
};

}  // namespace seizurekit::edf
