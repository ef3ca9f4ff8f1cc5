// The version field: which of the formats a file is, or what else it is.
#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "edf/header_reader.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::string_view wanted_version = "'0' (EDF) or '\\xffBIOSEMI' (BDF)";

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> other_files{{
    {"PK\x03\x04", "a ZIP archive"},
    {"PK\x05\x06", "an empty ZIP archive"},
    {"\x1f\x8b", "gzip-compressed data"},
    {"BZh", "bzip2-compressed data"},
    {"\xfd"
     "7zXZ",
     "xz-compressed data"},
    {"\x28\xb5\x2f\xfd", "zstd-compressed data"},
    {"\x89HDF", "an HDF5 file"},
    {"%PDF", "a PDF file"},
    {"GDF ", "a GDF file"},
    {"version https://git", "a Git LFS pointer"},
}};

bool is_biosemi(std::string_view bytes) {
  std::string upper(bytes);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return upper.find("BIOSEMI") != std::string::npos;
}

std::string ascii_of(std::string_view text) {
  std::string ascii;
  std::copy_if(text.begin(), text.end(), std::back_inserter(ascii),
               [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii;
}

// A file without a version is an EDF file if its other fields say so of one accord.
bool header_size_agrees(const HeaderReader& reader) {
  const Integer signals = read_integer(reader.field(main_field::signals).bytes);
  const Integer size = read_integer(reader.field(main_field::header_bytes).bytes);
  return signals.readable() && size.readable() && signals.value > 0 &&
         size.value == main_header_bytes + signals.value * signal_header_bytes;
}

}  // namespace

std::optional<Format> read_version(HeaderReader& reader) {
  const std::string_view start = reader.bytes.substr(0, 20);
  for (const auto& [magic, what] : other_files) {
    if (start.starts_with(magic)) {
      reader.fault = Fault{0, std::string(main_field::version.name),
                           quoted(magic) + ", the start of " + std::string(what), std::string(wanted_version)};
      return std::nullopt;
    }
  }
  if (static_cast<std::int64_t>(reader.bytes.size()) < main_header_bytes) {
    reader.fault = Fault{std::nullopt, "file size", std::to_string(reader.file_size) + " bytes",
                         "an EDF or BDF header, of which the first part alone has 256 bytes"};
    return std::nullopt;
  }
  const Field version = reader.field(main_field::version);
  if (version.bytes ==
      "\xff"
      "BIOSEMI") {
    return Format::bdf;
  }
  if (is_biosemi(version.bytes) || version.bytes.front() == '\xff') {
    reader.mend(version, "BDF");
    return Format::bdf;
  }
  const std::string digits = ascii_of(read_text(version.bytes).value);
  if (digits != "0" && !(digits.empty() && header_size_agrees(reader))) {
    reader.refuse(version, std::string(wanted_version));
    return std::nullopt;
  }
  if (version.bytes != "0       ") {
    reader.mend(version, "'0'");
  }
  return Format::edf;
}

}  // namespace seizurekit::edf
