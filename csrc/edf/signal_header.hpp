// The signal headers: what each signal measures, and where its samples are in a data record.
#pragma once

#include <cstdint>

#include "edf/header.hpp"
#include "edf/header_reader.hpp"

namespace seizurekit::edf {

/// Reads ordinary and annotation signals, and the size of a data record.
void read_signal_headers(HeaderReader& reader, std::int64_t signals, Header& header);

}  // namespace seizurekit::edf
