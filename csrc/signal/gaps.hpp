// Where an electrode has no samples.
#pragma once

#include <cstdint>
#include <vector>

namespace seizurekit::signal {

/// Samples [first, end).
struct Run {
  std::int64_t first;
  std::int64_t end;
};

/// Fills samples that are not finite with the last finite one before them, and remembers where they were.
class GapFiller {
 public:
  /// The next `count` samples of the electrode.
  void fill(float* samples, std::int64_t count);
  const std::vector<Run>& runs() const { return runs_; }

 private:
  std::int64_t done_ = 0;
  float last_ = 0.0F;
  std::vector<Run> runs_;
};

/// The union of runs, in order.
std::vector<Run> united(std::vector<Run> runs);

/// The samples at up/down of the rate whose time lies in the runs.
std::vector<Run> resampled(const std::vector<Run>& runs, std::int64_t up, std::int64_t down, std::int64_t samples);

}  // namespace seizurekit::signal
