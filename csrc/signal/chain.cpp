#include "signal/chain.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>

#include "signal/gaps.hpp"
#include "support/isa.hpp"

namespace seizurekit::signal {
namespace {

constexpr std::int64_t read_block = 2048;  // samples; several data records, so that few are read twice
constexpr std::int64_t input_block = 256;  // samples; the data of a block fit into the first caches
constexpr std::int64_t output_block = Resampler::max_rows;

// Median of a channel, which a few outliers do not change.
float median(const float* x, std::int64_t count) {
  std::array<float, input_block> sorted;
  const auto middle = sorted.begin() + count / 2;
  std::nth_element(sorted.begin(), middle, std::copy_n(x, count, sorted.begin()));
  return *middle;
}

// The streaming part of the chain: all steps before the z-score.
class Stream {
 public:
  Stream(const ChainPlan& plan, const SampleSource& source, float* out)
      : plan_(plan),
        source_(source),
        out_(out),
        samples_(plan.output_samples(source.samples())),
        gaps_(static_cast<std::size_t>(plan.electrodes)),
        block_(static_cast<std::size_t>(plan.electrodes) * read_block),
        interpolated_(static_cast<std::size_t>(plan.channels()) * input_block),
        unused_(input_block),
        resampler_(plan.resampling),
        rows_(output_block),
        state_(plan.sections.size() * 2 * lanes) {}

  void run() {
    const std::int64_t available = source_.samples();
    for (std::int64_t first = 0; first < available; first += read_block) {
      const std::int64_t count = std::min(read_block, available - first);
      source_.read(first, count, block_.data(), read_block);
      fill_gaps(count);
      for (std::int64_t part = 0; part < count; part += input_block) {
        append(part, std::min(input_block, count - part));
        drain();
      }
    }
    resampler_.finish();
    drain();
  }

  std::vector<Run> runs(int channel) const {
    std::vector<Run> all;
    for (int electrode = 0; electrode < plan_.electrodes; ++electrode) {
      const auto c = static_cast<std::size_t>(channel);
      if (plan_.electrode_of[c] == electrode || plan_.electrode_of[c] < 0) {
        const auto& runs = gaps_[static_cast<std::size_t>(electrode)].runs();
        all.insert(all.end(), runs.begin(), runs.end());
      }
    }
    return resample(unite(std::move(all)), plan_.resampling.up, plan_.resampling.down, samples_);
  }

 private:
  float* electrode(int row) { return block_.data() + static_cast<std::ptrdiff_t>(row) * read_block; }

  void fill_gaps(std::int64_t count) {
    for (int row = 0; row < plan_.electrodes; ++row) {
      const auto r = static_cast<std::size_t>(row);
      gaps_[r].fill(electrode(row), count);
      if (plan_.scales[r] != 1.0F) {
        std::transform(electrode(row), electrode(row) + count, electrode(row),
                       [scale = plan_.scales[r]](float x) { return x * scale; });
      }
    }
  }

  const float* interpolate(int channel, std::int64_t first, std::int64_t count) {
    const auto& weights = plan_.weights[static_cast<std::size_t>(channel)];
    float* to = interpolated_.data() + static_cast<std::ptrdiff_t>(channel) * input_block;
    std::fill_n(to, count, 0.0F);
    for (int row = 0; row < plan_.electrodes; ++row) {
      const float weight = weights[static_cast<std::size_t>(row)];
      const float* x = electrode(row) + first;
      for (std::int64_t i = 0; i < count; ++i) {
        to[i] += weight * x[i];
      }
    }
    return to;
  }

  void append(std::int64_t first, std::int64_t count) {
    std::array<const float*, lanes> rows{};
    rows.fill(unused_.data());
    for (int channel = 0; channel < plan_.channels(); ++channel) {
      const auto c = static_cast<std::size_t>(channel);
      const int from = plan_.electrode_of[c];
      rows[c] = from >= 0 ? electrode(from) + first : interpolate(channel, first, count);
    }
    Row* to = resampler_.append(count);
    SEIZUREKIT_DISPATCH(interleave, rows.data(), count, to);
    if (has_resampling()) {
      if (first_block_) {
        set_levels(rows, count);
      }
      SEIZUREKIT_DISPATCH(add, to, count, minus_levels_);
    }
  }

  bool has_resampling() const { return plan_.resampling.taps > 0; }

  // Resampling rounds to float32, and the offset of a DC amplifier can be 10^4 times the EEG. So the median is
  // subtracted before it and added after it.
  void set_levels(const std::array<const float*, lanes>& rows, std::int64_t count) {
    first_block_ = false;
    for (std::size_t lane = 0; lane < rows.size(); ++lane) {
      levels_.lane[lane] = median(rows[lane], count);
      minus_levels_.lane[lane] = -levels_.lane[lane];
    }
  }

  void drain() {
    while (written_ < samples_) {
      const std::int64_t count = resampler_.take(rows_.data(), std::min(output_block, samples_ - written_));
      if (count == 0) {
        return;
      }
      if (has_resampling()) {
        SEIZUREKIT_DISPATCH(add, rows_.data(), count, levels_);
      }
      SEIZUREKIT_DISPATCH(filter, rows_.data(), count, plan_.channels(), plan_.sections.data(),
                          static_cast<std::int64_t>(plan_.sections.size()), state_.data());
      std::array<float*, lanes> rows{};
      rows.fill(unused_.data());
      for (int channel = 0; channel < plan_.channels(); ++channel) {
        rows[static_cast<std::size_t>(channel)] = out_ + channel * samples_ + written_;
      }
      SEIZUREKIT_DISPATCH(deinterleave, rows_.data(), count, rows.data());
      written_ += count;
    }
  }

  const ChainPlan& plan_;
  const SampleSource& source_;
  float* out_;
  std::int64_t samples_;
  std::int64_t written_ = 0;
  std::vector<GapFiller> gaps_;
  std::vector<float> block_;
  std::vector<float> interpolated_;  // a row per channel, used if the channel is interpolated
  std::vector<float> unused_;        // zeros, for lanes without a channel
  bool first_block_ = true;
  Row levels_{};
  Row minus_levels_{};
  Resampler resampler_;
  std::vector<Row> rows_;
  std::vector<double> state_;
};

// Calls `visit(first, count)` for the samples before, between and after the runs.
template <typename Visit>
void visit_outside(const std::vector<Run>& runs, std::int64_t samples, Visit visit) {
  std::int64_t first = 0;
  for (const Run& run : runs) {
    visit(first, run.first - first);
    first = run.end;
  }
  visit(first, samples - first);
}

Scale normalize_row(float* row, std::int64_t samples, const std::vector<Run>& runs, float clip) {
  Moments total{0.0, 0.0};
  std::int64_t counted = 0;
  visit_outside(runs, samples, [&](std::int64_t first, std::int64_t count) {
    const Moments part = SEIZUREKIT_DISPATCH(moments, row + first, count);
    total.sum += part.sum;
    total.sum_of_squares += part.sum_of_squares;
    counted += count;
  });
  const double n = static_cast<double>(std::max<std::int64_t>(counted, 1));
  const double mean = total.sum / n;
  const double deviation = std::sqrt(std::max(total.sum_of_squares / n - mean * mean, 0.0));
  if (!std::isfinite(deviation)) {
    std::fill_n(row, samples, 0.0F);
    return {};
  }
  SEIZUREKIT_DISPATCH(normalize, row, samples, mean, deviation > 0.0 ? 1.0 / deviation : 0.0, clip);
  for (const Run& run : runs) {
    std::fill(row + run.first, row + run.end, 0.0F);
  }
  return {mean, deviation};
}

}  // namespace

void ChainPlan::check() const {
  resampling.check();
  const auto rows = static_cast<std::size_t>(electrodes);
  if (electrodes < 1 || channels() < 1 || channels() > lanes || scales.size() != rows ||
      weights.size() != electrode_of.size() || !(clip > 0.0F)) {
    throw std::invalid_argument(
        "chain: expected 1 to 24 channels, one scale per electrode, weights per channel and a clip above 0");
  }
  for (std::size_t c = 0; c < electrode_of.size(); ++c) {
    const bool interpolated = electrode_of[c] < 0;
    if (electrode_of[c] >= electrodes || weights[c].size() != (interpolated ? rows : 0)) {
      throw std::invalid_argument("chain: expected an electrode or one weight per electrode for every channel");
    }
  }
}

std::int64_t ChainPlan::output_samples(std::int64_t samples) const {
  return samples / resampling.down * resampling.up + samples % resampling.down * resampling.up / resampling.down;
}

std::vector<Scale> run(const ChainPlan& plan, const SampleSource& source, float* out) {
  plan.check();
  Stream stream(plan, source, out);
  stream.run();
  const std::int64_t samples = plan.output_samples(source.samples());
  std::vector<Scale> scales;
  scales.reserve(plan.electrode_of.size());
  for (int channel = 0; channel < plan.channels(); ++channel) {
    scales.push_back(normalize_row(out + channel * samples, samples, stream.runs(channel), plan.clip));
  }
  return scales;
}

void to_int16(const float* x, std::int64_t count, float inverse_step, std::int16_t* out) {
  SEIZUREKIT_DISPATCH(quantize, x, count, inverse_step, out);
}

}  // namespace seizurekit::signal
