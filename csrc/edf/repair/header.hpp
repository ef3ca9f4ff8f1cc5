// A header that is being repaired.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edf/file.hpp"
#include "edf/header_reader.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {

/// One field that differs between source and copy. Strings are UTF-8.
struct Repair {
  std::int64_t offset;  // byte in the source where the field starts
  std::string field;
  std::string found;
  std::string written;
};

/// The bytes of a header before and after the repair, and the list of differences.
class HeaderRepair {
 public:
  /// `bytes`: the header of `file`.
  HeaderRepair(const File& file, std::string bytes);
  HeaderRepair(const HeaderRepair&) = delete;
  HeaderRepair& operator=(const HeaderRepair&) = delete;

  const File& file() const { return file_; }
  const Header& header() const { return file_.header(); }
  std::int64_t signals() const { return signals_; }

  /// A field of the source.
  Field field(const MainField& which) const { return source_.field(which); }
  Field field(const SignalField& which, std::int64_t signal) const { return source_.field(which, signal, signals_); }
  bool has_issue(const Field& field) const { return issues_.contains(field.offset); }

  /// Writes `text`, which must fit, to the field of the copy. It is a repair only if the text differs from the source.
  void write(const Field& field, std::string_view text);

  const std::string& bytes() const { return bytes_; }
  /// The repairs by offset.
  std::vector<Repair> take_repairs();

 private:
  const File& file_;
  std::int64_t signals_;
  std::string original_;
  HeaderReader source_;            // of original_
  std::set<std::int64_t> issues_;  // offsets
  std::string bytes_;
  std::vector<Repair> repairs_;
};

/// The field's text in printable ASCII, without padding. Latin-1 letters lose their accents, µ becomes u, others '?'.
std::string ascii_text(const Field& field);
/// The field's number with a decimal point and without control bytes.
std::string standard_number(const Field& field);

}  // namespace seizurekit::edf
