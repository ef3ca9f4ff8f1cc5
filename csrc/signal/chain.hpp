// The fused preprocessing of a recording: interpolate, resample, filter, normalize.
#pragma once

#include <cstdint>
#include <vector>

#include "signal/kernels.hpp"
#include "signal/resample.hpp"
#include "signal/source.hpp"

namespace seizurekit::signal {

/// What to do to a recording; channels are rows of the output, electrodes rows of the source.
struct ChainPlan {
  int electrodes = 0;
  std::vector<float> scales;                // [electrodes] to microvolts
  std::vector<int> electrode_of;            // [channels], -1 for one that is interpolated
  std::vector<std::vector<float>> weights;  // [channels][electrodes], empty but for the interpolated
  Resampling resampling;
  std::vector<Section> sections;
  float clip = 0.0F;

  int channels() const { return static_cast<int>(electrode_of.size()); }
  /// Throws std::invalid_argument if the parts do not fit together.
  void check() const;
  /// Samples of the output for so many of the input.
  std::int64_t output_samples(std::int64_t samples) const;
};

/// Mean and standard deviation of a channel before normalization, in microvolts.
struct Scale {
  double mean = 0.0;
  double std = 0.0;
};

/// Runs the plan; `out` is [channel, output_samples], z-scored and clipped.
///
/// Where a source's sample is not finite the filters see the electrode's last finite one (0 before the first); the
/// output is 0 there, and mean and standard deviation leave it out. A channel without variance, or whose samples
/// float32 cannot hold, is 0; however small a variance is, the channel is scaled by it, as the reference does.
std::vector<Scale> run(const ChainPlan& plan, const SampleSource& source, float* out);

/// Fixed point: out = the nearest integer to x * inverse_step, ties to even, saturated.
void to_int16(const float* x, std::int64_t count, float inverse_step, std::int16_t* out);

}  // namespace seizurekit::signal
