#include "signal/gaps.hpp"

#include <algorithm>
#include <cmath>

#include "signal/kernels.hpp"
#include "support/isa.hpp"

namespace seizurekit::signal {

void GapFiller::fill(float* samples, std::int64_t count) {
  if (count > 0 && SEIZUREKIT_DISPATCH(all_finite, samples, count)) {
    last_ = samples[count - 1];
    done_ += count;
    return;
  }
  for (std::int64_t i = 0; i < count; ++i, ++done_) {
    if (std::isfinite(samples[i])) {
      last_ = samples[i];
      continue;
    }
    samples[i] = last_;
    if (runs_.empty() || runs_.back().end != done_) {
      runs_.push_back({done_, done_});
    }
    runs_.back().end = done_ + 1;
  }
}

std::vector<Run> unite(std::vector<Run> runs) {
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
  std::vector<Run> merged;
  for (const Run& run : runs) {
    if (!merged.empty() && run.first <= merged.back().end) {
      merged.back().end = std::max(merged.back().end, run.end);
    } else {
      merged.push_back(run);
    }
  }
  return merged;
}

std::vector<Run> resample(const std::vector<Run>& runs, std::int64_t up, std::int64_t down, std::int64_t samples) {
  const auto at = [&](std::int64_t sample) {  // first output sample at or after the time of the input sample
    const std::int64_t whole = sample / down * up;
    return std::min(whole + (sample % down * up + down - 1) / down, samples);
  };
  std::vector<Run> out;
  for (const Run& run : runs) {
    if (at(run.first) < at(run.end)) {
      out.push_back({at(run.first), at(run.end)});
    }
  }
  return out;
}

}  // namespace seizurekit::signal
