// Stored samples into arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "edf/header.hpp"
#include "edf/source.hpp"

namespace seizurekit::edf {

/// Stored samples [first, first+count) of the channels, all of one rate, row c at out + c*row_stride; float and
/// double physical, integers digital. `threads` 0: as many as the amount of data is worth.
template <typename Sample>
void read_stored(const Source& source, const Header& header, std::span<const int> channels, std::int64_t first,
                 std::int64_t count, Sample* out, std::ptrdiff_t row_stride, int threads);

}  // namespace seizurekit::edf
