// Rational resampling by a polyphase FIR filter.
#pragma once

#include <cstdint>
#include <vector>

#include "signal/kernels.hpp"

namespace seizurekit::signal {

/// Output sample m lies at input time m * down / up, in input samples, and is the sum of the `taps` input samples
/// around it, weighted by the row of `table` for the fraction of that time.
///
/// Where `phases` is `up` the row is exact; else the table has phases + 1 rows, and rows in between are interpolated.
/// With up = down = 1 and no taps, samples pass unchanged.
struct Resampling {
  std::int64_t up = 1;
  std::int64_t down = 1;
  int taps = 0;  // a multiple of 4
  std::int64_t phases = 0;
  std::vector<float> table;  // [phases or phases + 1][taps]

  /// Throws std::invalid_argument if the table does not fit the rest.
  void check() const;
};

/// Resamples a stream that comes in blocks. Before its first and after its last sample the stream is held constant.
class Resampler {
 public:
  explicit Resampler(const Resampling& resampling);

  /// Room for `count` more input rows; valid until the next call of anything.
  Row* append(std::int64_t count);
  /// Announces that no input follows.
  void finish();
  /// Writes at most `most` output rows; returns how many.
  std::int64_t take(Row* out, std::int64_t most);

  /// What `take` gives at most at once.
  static constexpr std::int64_t most_rows = 128;

 private:
  std::int64_t held() const { return static_cast<std::int64_t>(rows_.size()); }
  void hold_first_row();
  const float* weights(float* room) const;
  void step();

  const Resampling& resampling_;
  std::int64_t whole_step_;     // input samples from one output to the next
  std::int64_t fraction_step_;  // and the rest, in 1 / up
  std::int64_t reach_back_;     // input rows before an output's time that it needs
  std::int64_t first_row_;      // input time of the first row held
  std::vector<Row> rows_;       // what later output needs, rows before the first input row included
  bool begun_ = false;          // the rows before the first are filled
  std::int64_t time_ = 0;       // whole input samples before the next output
  std::int64_t fraction_ = 0;   // and the rest, in 1 / up
  std::vector<Window> windows_;
  std::vector<float> weights_;  // of windows whose phase the table has not
};

}  // namespace seizurekit::signal
