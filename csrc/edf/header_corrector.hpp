// What the correctors of the main header, of the labels and of the limits share.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "edf/file.hpp"
#include "edf/header_reader.hpp"
#include "edf/repair.hpp"

namespace seizurekit::edf {

/// A header being corrected: its bytes as found, as they are to be written, and the list of differences.
class HeaderCorrector {
 public:
  HeaderCorrector(const File& file, std::string_view bytes);

  const File& file() const { return file_; }
  const Header& header() const { return file_.header(); }
  std::int64_t signals() const { return signals_; }

  Field field(const MainField& wanted) const { return found_.field(wanted); }
  Field field(const SignalField& wanted, std::int64_t signal) const { return found_.field(wanted, signal, signals_); }
  /// Whether reading the field needed a mend.
  bool mended(const Field& field) const { return offsets_.contains(field.offset); }

  /// Puts `text` into the field; it must fit. A field that says so already is no repair.
  void write(const Field& field, std::string_view text);

  std::string take_bytes() { return std::move(bytes_); }
  std::vector<Repair> take_repairs() { return std::move(repairs_); }

 private:
  const File& file_;
  std::int64_t signals_;
  HeaderReader found_;
  std::set<std::int64_t> offsets_;
  std::string bytes_;
  std::vector<Repair> repairs_;
};

/// The field's text in printable ASCII, without padding: Latin-1 letters lose their accents, µ is u, others are '?'.
std::string ascii_text(const Field& field);
/// The field's number as the specification wants it written: a decimal point, no control bytes.
std::string plain_number(const Field& field);

void correct_main_fields(HeaderCorrector& corrector);
void correct_labels(HeaderCorrector& corrector);
void correct_limits(HeaderCorrector& corrector);

}  // namespace seizurekit::edf
