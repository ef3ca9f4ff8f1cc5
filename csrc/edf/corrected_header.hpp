// The header of a file's corrected copy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "edf/file.hpp"
#include "edf/repair.hpp"

namespace seizurekit::edf {

struct CorrectedHeader {
  std::string bytes;
  std::vector<Repair> repairs;
};

/// Rewrites the fields of `bytes`, the file's header, that `file` had to mend to read it, and no other.
CorrectedHeader correct_header(const File& file, std::string_view bytes);

}  // namespace seizurekit::edf
