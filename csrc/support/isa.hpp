// The instruction sets that inner loops are compiled for, and the choice among them at run time.
#pragma once

#include <string_view>
#include <vector>

namespace seizurekit {

enum class Isa { baseline, avx2, avx512 };

std::string_view name(Isa isa);

/// The instruction sets that this build has and this processor runs, weakest first.
std::vector<Isa> available_isas();

/// The instruction set in use: the strongest available, unless `use_isa` chose another.
Isa current_isa();

/// Chooses the instruction set for all later calls; for tests and benchmarks.
/// Throws std::invalid_argument if this build or this processor lacks it.
void use_isa(Isa isa);

}  // namespace seizurekit

// Calls `function` of the namespace that holds the current instruction set's copy of a *.simd.cpp file.
#ifdef SEIZUREKIT_X86_LEVELS
#define SEIZUREKIT_DISPATCH(function, ...)                                                  \
  (::seizurekit::current_isa() == ::seizurekit::Isa::avx512 ? avx512::function(__VA_ARGS__) \
   : ::seizurekit::current_isa() == ::seizurekit::Isa::avx2 ? avx2::function(__VA_ARGS__)   \
                                                            : baseline::function(__VA_ARGS__))
#else
#define SEIZUREKIT_DISPATCH(function, ...) baseline::function(__VA_ARGS__)
#endif
