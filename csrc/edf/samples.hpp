// Reads stored samples into arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "edf/header.hpp"
#include "edf/source.hpp"

namespace seizurekit::edf {

/// Reads stored samples [first, first+count) of channels of one sampling rate; row c is at out + c*row_stride. float
/// and double are physical values, integers digital ones. `threads` 0 chooses by the amount of data.
template <typename Sample>
void read_stored(const Source& source, const Header& header, std::span<const int> channels, std::int64_t first,
                 std::int64_t count, Sample* out, std::ptrdiff_t row_stride, int threads);

}  // namespace seizurekit::edf
