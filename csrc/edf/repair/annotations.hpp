// Annotation signals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edf/file.hpp"
#include "edf/repair/header.hpp"

namespace seizurekit::edf {

/// Repairs the TALs of one data record after the other.
class AnnotationRepair {
 public:
  explicit AnnotationRepair(const File& file)
      : record_duration_(file.header().record_duration),
        is_continuous_(!file.is_discontinuous()),
        start_offset_(file.start_offset()),
        expected_onset_(start_offset_) {}

  /// Call for each annotation signal of each data record in file order, with the signal's bytes and their offset in the
  /// file. Returns the repaired bytes; none if the bytes are valid, or if the repaired ones do not fit.
  std::optional<std::string> repair(std::size_t signal, std::string_view bytes, std::int64_t offset);

  std::vector<Repair> take_repairs() { return std::move(repairs_); }

 private:
  /// Onset of the next data record, s. `onset`: of the current one.
  double next_onset(double onset);

  double record_duration_;
  bool is_continuous_;  // onsets of later records follow from the first one
  double start_offset_;
  double expected_onset_;  // s, of the current data record if it gives none
  std::int64_t records_ = 0;
  std::vector<Repair> repairs_;
};

}  // namespace seizurekit::edf
