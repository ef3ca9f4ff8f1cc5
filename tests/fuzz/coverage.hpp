// Branch coverage of the instrumented code. With -fsanitize-coverage=trace-pc, g++ and clang call
// __sanitizer_cov_trace_pc on each branch.
#pragma once

#include <cstddef>

namespace seizurekit::fuzz {

/// Whether code was reached since the last call that was not reached before in this process.
bool reached_new_code();

/// Number of edges between branches that were reached so far.
std::size_t edges_reached();

}  // namespace seizurekit::fuzz
