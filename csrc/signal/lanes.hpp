// The layout in which resampler and filters work: time by time, a lane for each channel.
#pragma once

#include <cstdint>

namespace seizurekit::signal {

/// Channels a chain may have at most, a multiple of what fits into a vector register.
inline constexpr std::int64_t lanes = 24;

}  // namespace seizurekit::signal
