// Repaired copies of malformed files.
//
// A copy has the same samples and annotations and no issues whose repair is certain. Not repaired are: inverted
// polarity (allowed: EDF+ stores negative gains that way), signals without samples, digital limits outside the range of
// samples without equivalent limits of eight characters, a start before 1985 or after 2084, and annotations whose
// repaired text is too long for the data record.
#pragma once

#include <filesystem>
#include <vector>

#include "edf/repair/header.hpp"

namespace seizurekit::edf {

/// Writes the repaired copy. An existing file at `destination` is replaced when the copy is complete, never before.
/// Throws Error if the source has a fault or is `destination` itself, and filesystem_error if a file cannot be read or
/// written; no copy is left behind then.
std::vector<Repair> repair(const std::filesystem::path& source, const std::filesystem::path& destination);

}  // namespace seizurekit::edf
