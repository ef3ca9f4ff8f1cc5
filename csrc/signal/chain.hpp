// Preprocessing of a recording in one pass: interpolate, resample, filter, normalize.
#pragma once

#include <cstdint>
#include <vector>

#include "signal/kernels.hpp"
#include "signal/resample.hpp"
#include "signal/source.hpp"

namespace seizurekit::signal {

/// The steps of the chain. Channels are rows of the output, electrodes rows of the source.
struct ChainPlan {
  int electrodes = 0;
  std::vector<float> scales;                // [electrodes], to microvolts
  std::vector<int> electrode_of;            // [channels], -1 for an interpolated channel
  std::vector<std::vector<float>> weights;  // [channels][electrodes], empty unless interpolated
  Resampling resampling;
  std::vector<Section> sections;
  float clip = 0.0F;

  int channels() const { return static_cast<int>(electrode_of.size()); }
  /// Throws std::invalid_argument if the members are inconsistent.
  void check() const;
  /// Number of output samples for a number of input samples.
  std::int64_t output_samples(std::int64_t samples) const;
};

/// Mean and standard deviation of a channel before normalization, in microvolts.
struct Scale {
  double mean = 0.0;
  double std = 0.0;
};

/// Runs the plan; `out` is [channel, output_samples], z-scored and clipped.
///
/// Samples that are not finite are replaced by the electrode's last finite one (0 before the first) for the filters.
/// The output is 0 there, and mean and standard deviation exclude them. A channel without variance, or with samples
/// that do not fit into float32, is 0. A channel is scaled by its variance even if that is tiny, as the reference does.
std::vector<Scale> run(const ChainPlan& plan, const SampleSource& source, float* out);

/// Quantizes: out = x * inverse_step, rounded to nearest, ties to even, saturated.
void to_int16(const float* x, std::int64_t count, float inverse_step, std::int16_t* out);

}  // namespace seizurekit::signal
