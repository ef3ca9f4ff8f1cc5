// Reads a generated file with many offsets, lengths and row strides, from several threads at once.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "edf/file.hpp"
#include "require.hpp"
#include "support/parallel_for.hpp"

namespace {

using seizurekit::edf::File;
using seizurekit::edf::Gaps;
using seizurekit::fuzz::require;

constexpr int signal_count = 5;
constexpr int samples_per_record = 7;
constexpr int record_count = 61;
constexpr std::int64_t sample_count = std::int64_t{samples_per_record} * record_count;
constexpr float untouched = -12345.0F;

struct Format {
  std::string_view version;
  std::string_view digital_max;
  int bytes;
};
constexpr Format edf_format{"0", "32767", 2};
constexpr Format bdf_format{
    "\xff"
    "BIOSEMI",
    "8388607", 3};

std::int32_t digital(const Format& format, int signal, std::int64_t sample) {
  const auto value = static_cast<std::int32_t>((sample * 977 + signal * 7919) % 65536 - 32768);
  return format.bytes == 3 ? value * 128 + 5 : value;
}

std::string field(std::string_view text, std::size_t width) {
  std::string padded(text);
  padded.resize(width, ' ');
  return padded;
}

std::string repeated(std::string_view text, std::size_t width) {
  std::string all;
  for (int i = 0; i < signal_count; ++i) {
    all += field(text, width);
  }
  return all;
}

std::string file_bytes(const Format& format) {
  std::string bytes = field(format.version, 8) + field("", 160) + field("01.02.03", 8) + field("04.05.06", 8) +
                      field(std::to_string(256 * (1 + signal_count)), 8) + field("", 44) +
                      field(std::to_string(record_count), 8) + field("1", 8) + field(std::to_string(signal_count), 4);
  for (int i = 0; i < signal_count; ++i) {
    bytes += field("signal " + std::to_string(i), 16);
  }
  const std::string limit(format.digital_max);
  bytes += repeated("", 80) + repeated("uV", 8) + repeated("-" + limit, 8) + repeated(limit, 8) +
           repeated("-" + limit, 8) + repeated(limit, 8) + repeated("", 80) +
           repeated(std::to_string(samples_per_record), 8) + repeated("", 32);
  for (int record = 0; record < record_count; ++record) {
    for (int signal = 0; signal < signal_count; ++signal) {
      for (int i = 0; i < samples_per_record; ++i) {
        const auto value = static_cast<std::uint32_t>(digital(format, signal, record * samples_per_record + i));
        for (int byte = 0; byte < format.bytes; ++byte) {
          bytes += static_cast<char>((value >> (8 * byte)) & 0xffU);
        }
      }
    }
  }
  return bytes;
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes)
      : path_(std::filesystem::temp_directory_path() / ("check_core_" + std::to_string(getpid()) + ".edf")) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

template <typename Sample>
void check_one_read(const File& file, const Format& format, std::mt19937& random) {
  const auto below = [&](std::int64_t bound) {
    return static_cast<std::int64_t>(random() % static_cast<unsigned>(bound));
  };
  const std::int64_t first = below(sample_count + 1);
  const std::int64_t count = below(sample_count - first + 1);
  const std::int64_t stride = count + below(9);
  std::vector<int> channels;
  for (int i = 0; i < 1 + below(signal_count + 2); ++i) {
    channels.push_back(static_cast<int>(below(signal_count)));
  }
  // No space after the last row, so that the sanitizer detects a write past it.
  const auto rows = static_cast<std::int64_t>(channels.size());
  std::vector<Sample> out(static_cast<std::size_t>((rows - 1) * stride + count), static_cast<Sample>(untouched));
  file.read(channels, first, count, out.data(), static_cast<std::ptrdiff_t>(stride), Gaps::error,
            static_cast<int>(below(4)));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < std::min(stride, static_cast<std::int64_t>(out.size()) - row * stride); ++i) {
      const Sample found = out[static_cast<std::size_t>(row * stride + i)];
      const Sample expected =
          i < count ? static_cast<Sample>(digital(format, channels[static_cast<std::size_t>(row)], first + i))
                    : static_cast<Sample>(untouched);
      require(found == expected);
    }
  }
}

void check_format(const Format& format) {
  const TemporaryFile temporary(file_bytes(format));
  const File file(temporary.path());
  require(file.samples(0, Gaps::error) == sample_count);
  seizurekit::parallel_for(8, 4, [&](std::size_t worker) {
    std::mt19937 random(static_cast<unsigned>(worker));
    for (int round = 0; round < 150; ++round) {
      check_one_read<float>(file, format, random);
      check_one_read<double>(file, format, random);
      check_one_read<std::int32_t>(file, format, random);
      if (format.bytes == 2) {
        check_one_read<std::int16_t>(file, format, random);
      }
    }
  });
}

}  // namespace

void check_reading() {
  check_format(edf_format);
  check_format(bdf_format);
}
