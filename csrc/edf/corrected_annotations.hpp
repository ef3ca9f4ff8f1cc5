// The annotation signals of a file's corrected copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edf/header.hpp"
#include "edf/repair.hpp"

namespace seizurekit::edf {

/// Corrects the TALs of one data record after the other.
class AnnotationCorrector {
 public:
  explicit AnnotationCorrector(const Header& header) : header_(header) {}

  /// The bytes to write in place of `bytes`, those of annotation signal `signal` in the next data record, which stand
  /// at `offset` in the file; none if they are sound or if what is wrong in them cannot be put right in their place.
  /// The annotation signals of a data record are to be handed in one after the other.
  std::optional<std::string> correct(std::size_t signal, std::string_view bytes, std::int64_t offset);

  std::vector<Repair> take_repairs() { return std::move(repairs_); }

 private:
  const Header& header_;
  double expected_onset_ = 0.0;  // s; of the next data record, if it does not say
  std::vector<Repair> repairs_;
};

}  // namespace seizurekit::edf
