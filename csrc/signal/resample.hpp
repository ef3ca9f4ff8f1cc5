// Rational resampling by a polyphase FIR filter.
#pragma once

#include <cstdint>
#include <vector>

#include "signal/kernels.hpp"

namespace seizurekit::signal {

/// Output sample m is at time m * down / up, in input samples. It is a weighted sum of the `taps` input samples around
/// that time; the weights are the row of `table` for the fraction of the time.
///
/// If `phases` is `up`, the rows are exact; else the table has phases + 1 rows and is interpolated between them.
/// With up = down = 1 and no taps, samples are unchanged.
struct Resampling {
  std::int64_t up = 1;
  std::int64_t down = 1;
  int taps = 0;  // a multiple of 4
  std::int64_t phases = 0;
  std::vector<float> table;  // [phases or phases + 1][taps]

  /// Throws std::invalid_argument if the members are inconsistent.
  void check() const;
};

/// Resamples a stream block by block. The first and the last sample are repeated before and after the stream.
class Resampler {
 public:
  explicit Resampler(const Resampling& resampling);

  /// Space for `count` more input rows; valid until the next call of any member.
  Row* append(std::int64_t count);
  /// Call after the last input.
  void finish();
  /// Writes at most `limit` output rows; returns their number.
  std::int64_t take(Row* out, std::int64_t limit);

  /// Maximum number of rows that `take` returns.
  static constexpr std::int64_t max_rows = 128;

 private:
  std::int64_t row_count() const { return static_cast<std::int64_t>(rows_.size()); }
  void repeat_first_row();
  const float* weights(float* buffer) const;
  void advance();

  const Resampling& resampling_;
  std::int64_t whole_step_;     // input samples from one output to the next
  std::int64_t fraction_step_;  // and the fraction, in 1 / up
  std::int64_t reach_back_;     // input rows that an output needs before its time
  std::int64_t first_row_;      // input time of rows_[0]
  std::vector<Row> rows_;       // input that later output needs, and rows before the first input
  bool has_started_ = false;    // the rows before the first input are filled
  std::int64_t time_ = 0;       // whole input samples before the next output
  std::int64_t fraction_ = 0;   // and the fraction, in 1 / up
  std::vector<Window> windows_;
  std::vector<float> weights_;  // interpolated rows of the table
};

}  // namespace seizurekit::signal
