#include "signal/resample.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include "signal/kernels.hpp"
#include "support/isa.hpp"

namespace seizurekit::signal {
namespace {

std::size_t cells(std::int64_t rows) { return static_cast<std::size_t>(rows) * lanes; }

}  // namespace

void Resampling::check() const {
  if (up < 1 || down < 1 || taps < 0 || taps % 4 != 0 || (taps == 0 && up != down)) {
    throw std::invalid_argument("resampling: wanted positive factors and taps in fours");
  }
  const std::int64_t rows = phases == up ? phases : phases + 1;
  if (taps > 0 && (phases < 1 || table.size() != static_cast<std::size_t>(rows) * static_cast<std::size_t>(taps))) {
    throw std::invalid_argument("resampling: the table has not a row a phase");
  }
}

Resampler::Resampler(const Resampling& resampling)
    : resampling_(resampling),
      reach_back_(std::max(resampling.taps / 2 - 1, 0)),
      first_row_(-reach_back_),
      rows_held_(reach_back_),
      mixed_taps_(static_cast<std::size_t>(resampling.taps)) {
  rows_.resize(cells(rows_held_));
}

float* Resampler::append(std::int64_t count) {
  const std::int64_t last = std::max<std::int64_t>(rows_held_ - 1, 0);  // kept, for `finish` repeats it
  const std::int64_t spent = std::clamp<std::int64_t>(time_ - reach_back_ - first_row_, 0, last);
  rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(cells(spent)));
  first_row_ += spent;
  rows_held_ += count - spent;
  rows_.resize(cells(rows_held_));
  return rows_.data() + cells(rows_held_ - count);
}

void Resampler::finish() {
  if (rows_held_ == reach_back_ || resampling_.taps == 0) {
    return;
  }
  const std::int64_t count = resampling_.taps / 2;
  float* to = append(count);
  for (std::int64_t i = 0; i < count; ++i) {
    std::copy_n(to - lanes, lanes, to + cells(i));
  }
}

void Resampler::hold_first_row() {
  for (std::int64_t i = 0; i < reach_back_; ++i) {
    std::copy_n(rows_.data() + cells(reach_back_), lanes, rows_.data() + cells(i));
  }
  begun_ = true;
}

void Resampler::write_taps(float* to) const {
  const auto taps = static_cast<std::size_t>(resampling_.taps);
  const double place =
      static_cast<double>(fraction_) * static_cast<double>(resampling_.phases) / static_cast<double>(resampling_.up);
  const auto phase = std::min(static_cast<std::int64_t>(place), resampling_.phases - 1);
  const float* row = resampling_.table.data() + static_cast<std::size_t>(phase) * taps;
  const auto between = static_cast<float>(place - static_cast<double>(phase));
  SEIZUREKIT_DISPATCH(interpolate_taps, row, row + taps, between, resampling_.taps, to);
}

void Resampler::step() {
  time_ += resampling_.down / resampling_.up;
  fraction_ += resampling_.down % resampling_.up;
  if (fraction_ >= resampling_.up) {
    fraction_ -= resampling_.up;
    ++time_;
  }
}

std::int64_t Resampler::take(float* out, std::int64_t most) {
  const int taps = resampling_.taps;
  if (!begun_ && rows_held_ > reach_back_) {
    hold_first_row();
  }
  std::int64_t taken = 0;
  for (; taken < most; ++taken) {
    const std::int64_t row = time_ - reach_back_ - first_row_;
    if (row + std::max(taps, 1) > rows_held_) {
      break;
    }
    const float* x = rows_.data() + cells(row);
    if (taps == 0) {
      std::copy_n(x, lanes, out + cells(taken));
    } else {
      const float* weights = mixed_taps_.data();
      if (resampling_.phases == resampling_.up) {
        weights = resampling_.table.data() + static_cast<std::size_t>(fraction_) * static_cast<std::size_t>(taps);
      } else {
        write_taps(mixed_taps_.data());
      }
      SEIZUREKIT_DISPATCH(fir, x, weights, taps, out + cells(taken));
    }
    step();
  }
  return taken;
}

}  // namespace seizurekit::signal
