// The annotation signals of a file's corrected copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edf/file.hpp"
#include "edf/repair.hpp"

namespace seizurekit::edf {

/// Corrects the TALs of one data record after the other.
class AnnotationCorrector {
 public:
  explicit AnnotationCorrector(const File& file)
      : record_duration_(file.header().record_duration),
        continuous_(!file.is_discontinuous()),
        start_offset_(file.start_offset()),
        expected_onset_(start_offset_) {}

  /// The bytes to write in place of `bytes`, those of annotation signal `signal` in the next data record, which stand
  /// at `offset` in the file; none if they are sound or if what is wrong in them cannot be put right in their place.
  /// The annotation signals of a data record are to be handed in one after the other.
  std::optional<std::string> correct(std::size_t signal, std::string_view bytes, std::int64_t offset);

  std::vector<Repair> take_repairs() { return std::move(repairs_); }

 private:
  /// Onset of the next data record, s, `onset` being that of this one.
  double next_onset(double onset);

  double record_duration_;
  bool continuous_;  // onsets that say otherwise do not count
  double start_offset_;
  double expected_onset_;  // s; of the data record at hand, if it does not say
  std::int64_t records_ = 0;
  std::vector<Repair> repairs_;
};

}  // namespace seizurekit::edf
