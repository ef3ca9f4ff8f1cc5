// Runs a loop's iterations on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace seizurekit {

/// Calls `body(i)` for every i in [0, count), on up to `threads` threads, the calling one among them.
/// Iterations are handed out one at a time; the first exception stops the rest and is thrown here.
void parallel_for(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& body);

}  // namespace seizurekit
