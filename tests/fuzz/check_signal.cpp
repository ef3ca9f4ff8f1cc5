// Runs the preprocessing chain on many rates, lengths and gaps.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "require.hpp"
#include "signal/chain.hpp"

namespace {

using seizurekit::fuzz::require;
using seizurekit::signal::ChainPlan;

// Two electrodes. Of the first, every 50th run of 37 samples is missing.
class Tones final : public seizurekit::signal::SampleSource {
 public:
  explicit Tones(std::int64_t samples) : samples_(samples) {}
  std::int64_t samples() const override { return samples_; }
  void read(std::int64_t first, std::int64_t count, float* out, std::ptrdiff_t row_stride) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t sample = first + i;
      const bool missing = sample / 37 % 50 == 3;
      const auto value = static_cast<float>(std::sin(0.1 * static_cast<double>(sample)));
      out[i] = missing ? std::numeric_limits<float>::quiet_NaN() : value;
      out[row_stride + i] = 100.0F - value;
    }
  }

 private:
  std::int64_t samples_;
};

ChainPlan plan_of(std::int64_t up, std::int64_t down, int taps, std::int64_t phases) {
  ChainPlan plan;
  plan.electrodes = 2;
  plan.scales = {1.0F, 1000.0F};
  plan.electrode_of = {1, -1, 0};
  plan.weights = {{}, {0.25F, 0.75F}, {}};
  plan.resampling = {up, down, taps, phases, {}};
  const std::int64_t rows = phases == up ? phases : phases + 1;
  plan.resampling.table.assign(static_cast<std::size_t>(taps * rows), 1.0F / static_cast<float>(taps > 0 ? taps : 1));
  plan.sections.assign(5, {0.5, 0.1, 0.0, -0.3, 0.02});
  plan.clip = 10.0F;
  return plan;
}

void check_run(const ChainPlan& plan, std::int64_t samples) {
  const std::int64_t count = plan.output_samples(samples);
  std::vector<float> out(static_cast<std::size_t>(count) * 3, std::numeric_limits<float>::quiet_NaN());
  require(seizurekit::signal::run(plan, Tones(samples), out.data()).size() == 3);
  for (const float value : out) {
    require(std::abs(value) <= plan.clip);
  }
  std::vector<std::int16_t> fixed(out.size());
  seizurekit::signal::to_int16(out.data(), static_cast<std::int64_t>(out.size()), 512.0F, fixed.data());
}

}  // namespace

void check_signal() {
  for (const std::int64_t samples : {0, 1, 2, 127, 128, 511, 513, 2049, 10000}) {
    check_run(plan_of(1, 1, 0, 1), samples);
    check_run(plan_of(128, 125, 52, 128), samples);
    check_run(plan_of(1, 2, 92, 1), samples);
    check_run(plan_of(32, 625, 800, 32), samples);
    check_run(plan_of(1024272, 1000003, 52, 64), samples);
  }
}
