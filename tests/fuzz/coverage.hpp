// Which branches of the instrumented code an input reached. The compiler calls __sanitizer_cov_trace_pc on each
// (-fsanitize-coverage=trace-pc, which g++ and clang both have).
#pragma once

#include <cstddef>

namespace seizurekit::fuzz {

/// Forgets what was reached since the last call, and says whether any of it was new to the process.
bool reached_new_code();

/// How many edges between branches have been reached so far.
std::size_t edges_reached();

}  // namespace seizurekit::fuzz
