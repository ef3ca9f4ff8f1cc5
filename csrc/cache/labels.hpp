// Seizure masks of windows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace seizurekit::cache {

/// Seizures as sample intervals on one axis.
class Labels {
 public:
  /// Intervals [first[i], end[i]), ascending and disjoint. Throws std::invalid_argument if they are not.
  Labels(std::vector<std::int64_t> first, std::vector<std::int64_t> end);

  /// Sets a window's mask: 1 inside seizures, else 0. `begin` is the window's first sample on the axis.
  void draw(std::int64_t begin, std::span<std::uint8_t> mask) const;

 private:
  std::vector<std::int64_t> first_;
  std::vector<std::int64_t> end_;
};

}  // namespace seizurekit::cache
