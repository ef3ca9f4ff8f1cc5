// The layout for resampler and filters: a row per time with a lane per channel.
#pragma once

#include <cstdint>

namespace seizurekit::signal {

/// Maximum number of channels, a multiple of the vector widths.
inline constexpr std::int64_t lanes = 24;

/// One sample of every channel. Aligned so that no vector of 8 lanes crosses a cache line.
struct alignas(32) Row {
  float lane[lanes];
};

}  // namespace seizurekit::signal
