// The input of a chain.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seizurekit::signal {

/// Samples of several electrodes at one sampling rate, read block by block.
class SampleSource {
 public:
  SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;
  virtual ~SampleSource() = default;

  virtual std::int64_t samples() const = 0;
  /// Reads samples [first, first+count) of electrode r to out + r*row_stride; NaN in gaps.
  virtual void read(std::int64_t first, std::int64_t count, float* out, std::ptrdiff_t row_stride) const = 0;
};

}  // namespace seizurekit::signal
