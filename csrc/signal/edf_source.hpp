// Channels of an EDF file as a chain's input.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "edf/file.hpp"
#include "signal/source.hpp"

namespace seizurekit::signal {

/// Gaps of a discontinuous recording are read as NaN.
class EdfSource final : public SampleSource {
 public:
  /// `channels`: positions among the file's ordinary signals, at least one, all of one sampling rate.
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
