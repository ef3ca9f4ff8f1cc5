// Where a chain's input comes from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seizurekit::signal {

/// Samples of some electrodes at one rate, read forward block by block.
class SampleSource {
 public:
  SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;
  virtual ~SampleSource() = default;

  virtual std::int64_t samples() const = 0;
  /// Samples [first, first+count) of electrode r to out + r*row_stride; NaN where there are none.
  virtual void read(std::int64_t first, std::int64_t count, float* out, std::ptrdiff_t row_stride) const = 0;
};

}  // namespace seizurekit::signal
