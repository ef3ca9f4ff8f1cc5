// Gaps: samples of an electrode that are not finite.
#pragma once

#include <cstdint>
#include <vector>

namespace seizurekit::signal {

/// Samples [first, end).
struct Run {
  std::int64_t first;
  std::int64_t end;
};

/// Replaces samples that are not finite by the last finite one, and records where they are.
class GapFiller {
 public:
  /// Processes the next `count` samples of the electrode.
  void fill(float* samples, std::int64_t count);
  const std::vector<Run>& runs() const { return runs_; }

 private:
  std::int64_t done_ = 0;
  float last_ = 0.0F;
  std::vector<Run> runs_;
};

/// The union of runs, ascending and disjoint.
std::vector<Run> unite(std::vector<Run> runs);

/// The runs at up/down times the sampling rate.
std::vector<Run> resample(const std::vector<Run>& runs, std::int64_t up, std::int64_t down, std::int64_t samples);

}  // namespace seizurekit::signal
