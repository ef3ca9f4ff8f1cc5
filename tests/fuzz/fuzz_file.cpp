// Complete files: issues, annotations, and all kinds of reads of each channel.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "edf/field.hpp"
#include "edf/file.hpp"
#include "memory_file.hpp"
#include "require.hpp"

namespace {

using namespace seizurekit::edf;
using seizurekit::fuzz::require;

// A longer read could fill a huge gap between records with NaN.
constexpr std::int64_t max_read = 4096;

template <typename Sample>
void read_part(const File& file, int channel, std::int64_t first, std::int64_t count, Gaps gaps) {
  if (count <= 0) {
    return;
  }
  std::vector<Sample> out(static_cast<std::size_t>(count));
  try {
    const int one[] = {channel};
    file.read(one, first, count, out.data(), static_cast<std::ptrdiff_t>(count), gaps);
  } catch (const Error&) {
    return;
  } catch (const std::invalid_argument&) {
    return;
  }
}

void read_channel(const File& file, int channel, Gaps gaps) {
  std::int64_t samples = 0;
  try {
    samples = file.samples(channel, gaps);
  } catch (const Error&) {
    return;
  }
  require(samples >= 0);
  const std::int64_t count = std::min(samples, max_read);
  read_part<float>(file, channel, 0, count, gaps);
  read_part<double>(file, channel, samples - count, count, gaps);
  read_part<std::int32_t>(file, channel, samples / 3, std::min<std::int64_t>(count, samples - samples / 3), gaps);
  read_part<std::int16_t>(file, channel, samples / 2, std::min<std::int64_t>(7, samples - samples / 2), gaps);
}

void read_file(const File& file) {
  for (const Issue& issue : file.issues()) {
    require(issue.offset >= 0 && issue.offset <= file.size());
    require(is_utf8(issue.found) && is_utf8(issue.used));
  }
  for (const Annotation& annotation : file.annotations()) {
    require(is_utf8(annotation.text));
  }
  const auto channels = static_cast<int>(std::min<std::size_t>(file.header().signals.size(), 8));
  for (const Gaps gaps : {Gaps::error, Gaps::nan, Gaps::join}) {
    for (int channel = 0; channel < channels; ++channel) {
      read_channel(file, channel, gaps);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static seizurekit::fuzz::MemoryFile memory;
  memory.write(data, size);
  try {
    read_file(File(memory.path()));
  } catch (const Error& error) {
    require(is_utf8(error.fault().found) && is_utf8(error.fault().expected));
  }
  return 0;
}
