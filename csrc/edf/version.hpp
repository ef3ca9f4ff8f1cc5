// The version field of the header.
#pragma once

#include <optional>

#include "edf/header.hpp"
#include "edf/header_reader.hpp"

namespace seizurekit::edf {

/// The file's format; none, with a fault set, if it is neither EDF nor BDF.
std::optional<Format> read_version(HeaderReader& reader);

}  // namespace seizurekit::edf
