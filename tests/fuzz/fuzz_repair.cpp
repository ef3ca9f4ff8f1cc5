// Repaired copies have the same samples, annotations and times, and need no repair.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "edf/file.hpp"
#include "edf/repair/repair.hpp"
#include "memory_file.hpp"
#include "require.hpp"

namespace {

using namespace seizurekit::edf;
using seizurekit::fuzz::require;

const std::filesystem::path& copy_path(int number) {
  static const std::filesystem::path folder =
      std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
  static const std::filesystem::path paths[] = {folder / ("fuzz_repair_" + std::to_string(getpid()) + "_1.edf"),
                                                folder / ("fuzz_repair_" + std::to_string(getpid()) + "_2.edf")};
  return paths[number - 1];
}

template <typename Sample>
std::vector<Sample> stored_samples(const File& file, int channel) {
  const std::int64_t count = file.samples(channel, Gaps::join);
  std::vector<Sample> out(static_cast<std::size_t>(count));
  const int one[] = {channel};
  file.read(one, 0, count, out.data(), static_cast<std::ptrdiff_t>(count), Gaps::join);
  return out;
}

void require_same_samples(const File& source, const File& copy) {
  const auto& signals = source.header().signals;
  require(copy.header().signals.size() == signals.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(signals.size(), 8); ++i) {
    const int channel = static_cast<int>(i);
    require(stored_samples<std::int32_t>(source, channel) == stored_samples<std::int32_t>(copy, channel));
    const auto before = stored_samples<double>(source, channel);
    const auto after = stored_samples<double>(copy, channel);
    const double range = std::abs(signals[i].physical_max) + std::abs(signals[i].physical_min) + 1.0;
    for (std::size_t sample = 0; sample < before.size(); ++sample) {
      require(std::abs(before[sample] - after[sample]) <= 1e-7 * std::max(range, std::abs(before[sample])));
    }
  }
}

void require_same_times(const File& source, const File& copy) {
  require(source.is_discontinuous() == copy.is_discontinuous());
  require(source.duration(Gaps::join) == copy.duration(Gaps::join));
  const auto& before = source.annotations();
  const auto& after = copy.annotations();
  require(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    require(std::abs(before[i].onset - after[i].onset) <= 1e-9 * std::abs(before[i].onset));
    require(before[i].duration == after[i].duration && before[i].text == after[i].text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static seizurekit::fuzz::MemoryFile memory;
  memory.write(data, size);
  try {
    repair(memory.path(), copy_path(1));
  } catch (const Error&) {
    return 0;
  }
  {
    const File source(memory.path());
    const File copy(copy_path(1));
    require_same_samples(source, copy);
    require_same_times(source, copy);
  }
  require(repair(copy_path(1), copy_path(2)).empty());
  std::filesystem::remove(copy_path(1));
  std::filesystem::remove(copy_path(2));
  return 0;
}
