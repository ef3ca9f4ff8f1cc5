// The causal convolution on many shapes, in buffers of exact size, compared with its definition in double.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "ops/causal_conv1d.hpp"
#include "require.hpp"

namespace {

using seizurekit::fuzz::require;
namespace ops = seizurekit::ops;

/// `count` numbers on the heap, so that the address sanitizer detects reads past either end.
class Buffer {
 public:
  explicit Buffer(std::int64_t count, std::mt19937* random = nullptr)
      : count_(count), data_(std::make_unique<float[]>(static_cast<std::size_t>(count))) {  // NOLINT(*-avoid-c-arrays)
    for (std::int64_t i = 0; i < count; ++i) {
      (*this)[i] = random == nullptr ? NAN : static_cast<float>((*random)()) * 0x1p-30F - 2;  // -2 to 2
    }
  }

  float& operator[](std::int64_t i) { return data_[static_cast<std::size_t>(i)]; }
  float operator[](std::int64_t i) const { return data_[static_cast<std::size_t>(i)]; }
  float* data() { return data_.get(); }
  std::int64_t size() const { return count_; }

 private:
  std::int64_t count_;
  std::unique_ptr<float[]> data_;  // NOLINT(*-avoid-c-arrays)
};

struct Case {
  std::int64_t batch, channels, length;
  int width;
  bool silu, reverse, rows, states;
  std::size_t threads;

  std::int64_t size() const { return batch * channels * length; }
  std::int64_t columns() const { return width - 1; }

  /// Index of time t, in processing order, of a channel.
  std::int64_t at(std::int64_t b, std::int64_t d, std::int64_t t) const {
    const std::int64_t time = reverse ? length - 1 - t : t;
    return rows ? (b * length + time) * channels + d : (b * channels + d) * length + time;
  }

  ops::Sequence sequence(Buffer& buffer) const {
    return {buffer.data(), channels * length, rows ? 1 : length, rows ? channels : 1};
  }
};

/// Inputs and outputs of one case, and the comparison with the definition.
class Check {
 public:
  Check(const Case& shape, std::mt19937& random)
      : c_(shape),
        x_(shape.size(), &random),
        dy_(shape.size(), &random),
        weight_(shape.channels * shape.width, &random),
        bias_(shape.channels, &random),
        initial_(shape.batch * shape.channels * shape.columns(), &random),
        dfinal_(initial_.size(), &random),
        y_(shape.size()),
        final_(initial_.size()),
        dx_(shape.size()),
        dweight_(weight_.size()),
        dbias_(bias_.size()),
        dinitial_(initial_.size()) {}

  void run() {
    const ops::Convolution problem{
        seizurekit::DType::float32, c_.batch, c_.channels, c_.length, c_.width, c_.silu, c_.reverse, c_.threads};
    const ops::Filter filter{weight_.data(), bias_.data(), c_.states ? initial_.data() : nullptr};
    ops::forward(problem, c_.sequence(x_), filter, c_.sequence(y_), final_.data());
    ops::backward(problem, c_.sequence(dy_), c_.sequence(x_), filter, c_.states ? dfinal_.data() : nullptr,
                  {c_.sequence(dx_), dweight_.data(), dbias_.data(), c_.states ? dinitial_.data() : nullptr});
    std::vector<double> dweight(static_cast<std::size_t>(weight_.size()));
    std::vector<double> dbias(static_cast<std::size_t>(bias_.size()));
    for (std::int64_t b = 0; b < c_.batch; ++b) {
      for (std::int64_t d = 0; d < c_.channels; ++d) {
        channel(b, d, dweight, dbias);
      }
    }
    for (std::int64_t i = 0; i < weight_.size(); ++i) {
      require(is_close(dweight_[i], dweight[static_cast<std::size_t>(i)], 100));
    }
    for (std::int64_t i = 0; i < bias_.size(); ++i) {
      require(is_close(dbias_[i], dbias[static_cast<std::size_t>(i)], 100));
    }
  }

 private:
  static bool is_close(float found, double expected, double size) {
    return std::abs(found - expected) <= 1e-5 * (size + std::abs(expected));  // false for NaN
  }

  double extended(std::int64_t b, std::int64_t d, std::int64_t e) const {
    if (e >= c_.columns()) {
      return x_[c_.at(b, d, e - c_.columns())];
    }
    return c_.states ? initial_[(b * c_.channels + d) * c_.columns() + e] : 0.0;
  }

  void channel(std::int64_t b, std::int64_t d, std::vector<double>& dweight, std::vector<double>& dbias) const {
    const std::int64_t columns = c_.columns();
    std::vector<double> dextended(static_cast<std::size_t>(c_.length + columns));
    for (std::int64_t t = 0; t < c_.length; ++t) {
      double sum = bias_[d];
      for (int k = 0; k < c_.width; ++k) {
        sum += static_cast<double>(weight_[d * c_.width + k]) * extended(b, d, t + k);
      }
      const double sigmoid = 1 / (1 + std::exp(-sum));
      require(is_close(y_[c_.at(b, d, t)], c_.silu ? sum * sigmoid : sum, 1));
      const double dsum = dy_[c_.at(b, d, t)] * (c_.silu ? sigmoid * (1 + sum * (1 - sigmoid)) : 1.0);
      dbias[static_cast<std::size_t>(d)] += dsum;
      for (int k = 0; k < c_.width; ++k) {
        dweight[static_cast<std::size_t>(d * c_.width + k)] += dsum * extended(b, d, t + k);
        dextended[static_cast<std::size_t>(t + k)] += dsum * weight_[d * c_.width + k];
      }
    }
    const std::int64_t first = (b * c_.channels + d) * columns;
    for (std::int64_t s = 0; s < columns; ++s) {
      require(final_[first + s] == static_cast<float>(extended(b, d, c_.length + s)));
      dextended[static_cast<std::size_t>(c_.length + s)] += c_.states ? dfinal_[first + s] : 0.0;
    }
    for (std::int64_t e = 0; e < c_.length + columns; ++e) {
      const double expected = dextended[static_cast<std::size_t>(e)];
      if (e >= columns) {
        require(is_close(dx_[c_.at(b, d, e - columns)], expected, 1));
      } else if (c_.states) {
        require(is_close(dinitial_[first + e], expected, 1));
      }
    }
  }

  Case c_;
  Buffer x_, dy_, weight_, bias_, initial_, dfinal_;
  Buffer y_, final_, dx_, dweight_, dbias_, dinitial_;
};

}  // namespace

void check_ops() {
  std::mt19937 random(7);
  int combination = 0;
  for (const std::int64_t length : {1, 2, 3, 4, 15, 63, 64, 65, 130, 513, 1023, 1027, 2050}) {
    for (const std::int64_t channels : {2, 3, 16, 33, 129, 1030}) {
      for (int width = 2; width <= 4; ++width) {
        for (const bool rows : {true, false}) {
          for (const bool reverse : {true, false}) {
            const std::int64_t every = length * channels > 200000 ? 24 : length * channels > 20000 ? 4 : 1;
            if (++combination % every != 0) {
              continue;  // only some combinations of large shapes, to save time
            }
            const bool silu = (length + channels + width) % 2 == 0;
            Check({2, channels, length, width, silu, reverse, rows && length > 1, width != 3, 3}, random).run();
          }
        }
      }
    }
  }
}
