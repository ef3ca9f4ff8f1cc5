#include "cache/labels.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace seizurekit::cache {

Labels::Labels(std::vector<std::int64_t> first, std::vector<std::int64_t> end)
    : first_(std::move(first)), end_(std::move(end)) {
  bool ordered = first_.size() == end_.size();
  for (std::size_t i = 0; ordered && i < first_.size(); ++i) {
    ordered = first_[i] < end_[i] && (i == 0 || end_[i - 1] <= first_[i]);
  }
  if (!ordered) {
    throw std::invalid_argument("labels: expected ascending, disjoint intervals");
  }
}

void Labels::draw(std::int64_t begin, std::span<std::uint8_t> mask) const {
  const std::int64_t stop = begin + static_cast<std::int64_t>(mask.size());
  std::fill(mask.begin(), mask.end(), std::uint8_t{0});
  const auto first_overlap = std::upper_bound(end_.begin(), end_.end(), begin);
  for (auto i = static_cast<std::size_t>(first_overlap - end_.begin()); i < first_.size() && first_[i] < stop; ++i) {
    const std::int64_t from = std::max(first_[i], begin) - begin;
    const std::int64_t to = std::min(end_[i], stop) - begin;
    std::fill(mask.begin() + from, mask.begin() + to, std::uint8_t{1});
  }
}

}  // namespace seizurekit::cache
