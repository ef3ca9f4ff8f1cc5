// The first 256 bytes of the header.
#pragma once

#include <cstdint>

#include "edf/header.hpp"
#include "edf/header_reader.hpp"

namespace seizurekit::edf {

/// Number of signals, from its own field or else from the header size.
std::int64_t read_signal_count(HeaderReader& reader);

/// Reads all other fields except the version and the number of data records.
void read_main_header(HeaderReader& reader, std::int64_t signals, Header& header);

}  // namespace seizurekit::edf
