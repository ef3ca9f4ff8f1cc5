#include "edf/version.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "edf/field.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::string_view expected_version = "'0' (EDF) or '\\xffBIOSEMI' (BDF)";

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> other_formats{{
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

std::string remove_non_ascii(std::string_view text) {
  std::string ascii;
  std::copy_if(text.begin(), text.end(), std::back_inserter(ascii),
               [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii;
}

// A file without a version is EDF if its header size agrees with its number of signals.
bool header_size_agrees(const HeaderReader& reader) {
  const Integer signals = read_integer(reader.field(main_field::signals).bytes);
  const Integer size = read_integer(reader.field(main_field::header_bytes).bytes);
  return signals.is_valid() && size.is_valid() && signals.value > 0 &&
         size.value == main_header_bytes + signals.value * signal_header_bytes;
}

}  // namespace

std::optional<Format> read_version(HeaderReader& reader) {
  const std::string_view start = reader.bytes.substr(0, 20);
  for (const auto& [magic, format] : other_formats) {
    if (start.starts_with(magic)) {
      reader.fault = Fault{0, std::string(main_field::version.name), quote(magic) + " (" + std::string(format) + ")",
                           std::string(expected_version)};
      return std::nullopt;
    }
  }
  if (static_cast<std::int64_t>(reader.bytes.size()) < main_header_bytes) {
    reader.fault = Fault{std::nullopt, "file size", std::to_string(reader.file_size) + " bytes",
                         "at least 256 bytes, the size of the main header"};
    return std::nullopt;
  }
  const Field version = reader.field(main_field::version);
  if (version.bytes ==
      "\xff"
      "BIOSEMI") {
    return Format::bdf;
  }
  if (is_biosemi(version.bytes) || version.bytes.front() == '\xff') {
    reader.add_issue(version, "BDF");
    return Format::bdf;
  }
  const std::string digits = remove_non_ascii(read_text(version.bytes).value);
  if (digits != "0" && !(digits.empty() && header_size_agrees(reader))) {
    reader.fail(version, std::string(expected_version));
    return std::nullopt;
  }
  if (version.bytes != "0       ") {
    reader.add_issue(version, "'0'");
  }
  return Format::edf;
}

}  // namespace seizurekit::edf
