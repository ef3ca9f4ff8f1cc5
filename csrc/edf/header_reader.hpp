// What the parsers of the header's parts share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edf/issue.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {

struct Field {
  std::string name;
  std::int64_t offset;
  std::string_view bytes;
};

/// The bytes of a header, and the issues found so far. Parsing stops at the first fault.
struct HeaderReader {
  HeaderReader(std::string_view header_bytes, std::int64_t size) : bytes(header_bytes), file_size(size) {}

  std::string_view bytes;
  std::int64_t file_size;
  std::vector<Issue> issues;
  std::optional<Fault> fault;

  Field field(const MainField& field) const;
  Field field(const SignalField& field, std::int64_t signal, std::int64_t signals) const;

  void add_issue(const Field& field, std::string used);
  void add_issue(const Field& field, std::string found, std::string used);
  void fail(const Field& field, std::string expected);

  std::string text(const Field& field);
  /// A required number; 0 after a fault.
  double number(const Field& field, std::string_view expected);
  std::int64_t integer(const Field& field, std::string_view expected);
};

}  // namespace seizurekit::edf
