// Channels of an EDF file as input of a chain.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "edf/file.hpp"
#include "signal/source.hpp"

namespace seizurekit::signal {

/// Reads gaps of a discontinuous recording as NaN.
class EdfSource final : public SampleSource {
 public:
  /// `channels`: at least one index of ordinary signals, all of one sampling rate.
  EdfSource(std::shared_ptr<const edf::File> file, std::vector<int> channels)
      : file_(std::move(file)), channels_(std::move(channels)) {}

  std::int64_t samples() const override { return file_->samples(channels_.front(), edf::Gaps::nan); }
  void read(std::int64_t first, std::int64_t count, float* out, std::ptrdiff_t row_stride) const override {
    file_->read(channels_, first, count, out, row_stride, edf::Gaps::nan);
  }

 private:
  std::shared_ptr<const edf::File> file_;
  std::vector<int> channels_;
};

}  // namespace seizurekit::signal
