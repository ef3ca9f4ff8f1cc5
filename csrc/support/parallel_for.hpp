// A loop whose iterations run on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace seizurekit {

/// Calls `body(i)` for every i in [0, count) on up to `threads` threads, including the calling one.
/// Threads take one iteration at a time. The first exception stops the loop and is rethrown here.
void parallel_for(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& body);

}  // namespace seizurekit
