// The layout in which resampler and filters work: time by time, a lane for each channel.
#pragma once

#include <cstdint>

namespace seizurekit::signal {

/// Channels a chain may have at most, a multiple of what fits into a vector register.
inline constexpr std::int64_t lanes = 24;

/// A sample of every channel; aligned so that no vector of 8 lanes straddles two cache lines.
struct alignas(32) Row {
  float lane[lanes];
};

}  // namespace seizurekit::signal
