// The instruction sets that inner loops are compiled for, and the selection of one at run time.
#pragma once

#include <string_view>
#include <vector>

namespace seizurekit {

enum class Isa { baseline, avx2, avx512 };

std::string_view name(Isa isa);

/// The instruction sets that build and CPU support, weakest first.
std::vector<Isa> available_isas();

/// The selected instruction set: the strongest available one, unless `use_isa` was called.
Isa current_isa();

/// Selects the instruction set for all later calls; for tests and benchmarks.
/// Throws std::invalid_argument if it is not available.
void use_isa(Isa isa);

}  // namespace seizurekit

// Calls `function` in the namespace of the selected instruction set.
#ifdef SEIZUREKIT_X86_LEVELS
#define SEIZUREKIT_DISPATCH(function, ...)                                                  \
  (::seizurekit::current_isa() == ::seizurekit::Isa::avx512 ? avx512::function(__VA_ARGS__) \
   : ::seizurekit::current_isa() == ::seizurekit::Isa::avx2 ? avx2::function(__VA_ARGS__)   \
                                                            : baseline::function(__VA_ARGS__))
#else
#define SEIZUREKIT_DISPATCH(function, ...) baseline::function(__VA_ARGS__)
#endif
