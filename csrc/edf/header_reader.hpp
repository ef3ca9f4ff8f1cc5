// What the parsers of the main header and of the signal headers share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edf/field.hpp"
#include "edf/header.hpp"
#include "edf/issue.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {

struct Field {
  std::string name;
  std::int64_t offset;
  std::string_view bytes;
};

/// A header being read: its bytes, and what is wrong with it so far. After the first fault nothing else counts.
struct HeaderReader {
  HeaderReader(std::string_view header_bytes, std::int64_t size) : bytes(header_bytes), file_size(size) {}

  std::string_view bytes;
  std::int64_t file_size;
  std::vector<Issue> issues;
  std::optional<Fault> fault;

  Field field(const MainField& field) const;
  Field field(const SignalField& field, std::int64_t signal, std::int64_t signals) const;

  void mend(const Field& field, std::string used);
  void mend(const Field& field, std::string found, std::string used);
  void refuse(const Field& field, std::string wanted);

  std::string text(const Field& field);
  /// A number that there is no header without; 0 after a fault.
  double number(const Field& field, std::string_view wanted);
  std::int64_t integer(const Field& field, std::string_view wanted);
};

/// Number of signals, from its own field or else from the header's size.
std::int64_t read_signal_count(HeaderReader& reader);
/// The fields of the first 256 bytes, save for the number of data records.
void read_main_header(HeaderReader& reader, std::int64_t signals, Header& header);
/// The signals, ordinary ones and annotation signals apart, and the bytes of a record.
void read_signal_headers(HeaderReader& reader, std::int64_t signals, Header& header);
/// Which of the two formats the version field says; none where it says neither.
std::optional<Format> read_version(HeaderReader& reader);

}  // namespace seizurekit::edf
