#include "signal/resample.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "support/isa.hpp"

namespace seizurekit::signal {

void Resampling::check() const {
  if (up < 1 || down < 1 || taps < 0 || (taps == 0 && up != down) || (taps > 0 && taps <= down / up + 1)) {
    throw std::invalid_argument("resampling: expected positive factors and overlapping windows");
  }
  const std::int64_t rows = phases == up ? phases : phases + 1;
  if (taps > 0 && (phases < 1 || table.size() != static_cast<std::size_t>(rows) * static_cast<std::size_t>(taps))) {
    throw std::invalid_argument("resampling: expected a table with one row per phase");
  }
}

Resampler::Resampler(const Resampling& resampling)
    : resampling_(resampling),
      whole_step_(resampling.down / resampling.up),
      fraction_step_(resampling.down % resampling.up),
      reach_back_(std::max(resampling.taps / 2 - 1, 0)),
      first_row_(-reach_back_),
      rows_(static_cast<std::size_t>(reach_back_)),
      windows_(max_rows),
      weights_(resampling.phases == resampling.up ? 0 : static_cast<std::size_t>(max_rows * resampling.taps)) {}

Row* Resampler::append(std::int64_t count) {
  const std::int64_t last = std::max<std::int64_t>(row_count() - 1, 0);  // kept, because `finish` repeats it
  const std::int64_t spent = std::clamp<std::int64_t>(time_ - reach_back_ - first_row_, 0, last);
  rows_.erase(rows_.begin(), rows_.begin() + spent);
  first_row_ += spent;
  rows_.resize(rows_.size() + static_cast<std::size_t>(count));
  return rows_.data() + row_count() - count;
}

void Resampler::finish() {
  if (row_count() == reach_back_ || resampling_.taps == 0) {
    return;
  }
  const std::int64_t count = resampling_.taps / 2;
  Row* to = append(count);
  std::fill_n(to, count, to[-1]);
}

void Resampler::repeat_first_row() {
  std::fill_n(rows_.begin(), reach_back_, rows_[static_cast<std::size_t>(reach_back_)]);
  has_started_ = true;
}

const float* Resampler::weights(float* buffer) const {
  const auto taps = static_cast<std::size_t>(resampling_.taps);
  if (resampling_.phases == resampling_.up) {
    return resampling_.table.data() + static_cast<std::size_t>(fraction_) * taps;
  }
  const double place =
      static_cast<double>(fraction_) * static_cast<double>(resampling_.phases) / static_cast<double>(resampling_.up);
  const auto phase = std::min(static_cast<std::int64_t>(place), resampling_.phases - 1);
  const float* row = resampling_.table.data() + static_cast<std::size_t>(phase) * taps;
  const auto between = static_cast<float>(place - static_cast<double>(phase));
  SEIZUREKIT_DISPATCH(interpolate_taps, row, row + taps, between, resampling_.taps, buffer);
  return buffer;
}

void Resampler::advance() {
  time_ += whole_step_;
  fraction_ += fraction_step_;
  if (fraction_ >= resampling_.up) {
    fraction_ -= resampling_.up;
    ++time_;
  }
}

std::int64_t Resampler::take(Row* out, std::int64_t limit) {
  if (!has_started_ && row_count() > reach_back_) {
    repeat_first_row();
  }
  limit = std::min(limit, max_rows);
  const std::int64_t length = std::max(resampling_.taps, 1);
  std::int64_t taken = 0;
  for (; taken < limit; ++taken) {
    const std::int64_t row = time_ - reach_back_ - first_row_;
    if (row + length > row_count()) {
      break;
    }
    const Row* x = rows_.data() + row;
    if (resampling_.taps == 0) {
      out[taken] = *x;
    } else {
      float* buffer = weights_.empty() ? nullptr : weights_.data() + taken * resampling_.taps;
      windows_[static_cast<std::size_t>(taken)] = {x, weights(buffer)};
    }
    advance();
  }
  if (resampling_.taps > 0) {
    SEIZUREKIT_DISPATCH(fir, windows_.data(), taken, resampling_.taps, out);
  }
  return taken;
}

}  // namespace seizurekit::signal
