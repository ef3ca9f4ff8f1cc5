// Masks of windows, drawn from a table of seizures.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace seizurekit::cache {

/// Seizures as stretches of samples on one axis.
class Labels {
 public:
  /// `first` and `end`, ascending and disjoint. Throws std::invalid_argument where they are not.
  Labels(std::vector<std::int64_t> first, std::vector<std::int64_t> end);

  /// Draws a window's mask, 1 where there is a seizure; `begin` is its first sample on the axis.
  void draw(std::int64_t begin, std::span<std::uint8_t> mask) const;

 private:
  std::vector<std::int64_t> first_;
  std::vector<std::int64_t> end_;
};

}  // namespace seizurekit::cache
