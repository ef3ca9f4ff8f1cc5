// Writing a corrected copy of a malformed file.
//
// The copy has the same samples and annotations and none of the faults whose correction is certain. Left as they are:
// inverted polarity (lawful: EDF+ writes a negative gain so), signals without samples, digital limits that the
// samples' bytes cannot hold and that no other limits of eight characters replace, a start before 1985 or after
// 2084, and annotations whose corrected form is too long for their place in the data record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace seizurekit::edf {

/// One field of the source that reads otherwise in the copy. Strings are UTF-8.
struct Repair {
  std::int64_t offset;  // byte in the source where the field starts
  std::string field;
  std::string found;
  std::string written;
};

/// Writes the corrected copy; an existing file at `destination` is replaced once the copy is whole, never before.
/// Throws Error if the source is beyond repair or is `destination` itself, filesystem_error if either cannot be
/// read or written, in which case nothing is left behind.
std::vector<Repair> repair(const std::filesystem::path& source, const std::filesystem::path& destination);

}  // namespace seizurekit::edf
