#include "edf/repair.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>

#include "edf/corrected_annotations.hpp"
#include "edf/corrected_header.hpp"
#include "edf/file.hpp"
#include "edf/new_file.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::int64_t block_bytes = 1048576;

std::string read_bytes(const Source& source, std::int64_t offset, std::int64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  source.read(offset, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void refuse_same_file(const std::filesystem::path& source, const std::filesystem::path& destination) {
  std::error_code absent;
  if (std::filesystem::equivalent(source, destination, absent) && !absent) {
    throw Error(destination, {std::nullopt, "destination", "the source file itself, " + source.string(),
                              "another file: the source is never written"});
  }
}

void copy_samples(const Source& source, std::int64_t first, std::int64_t end, NewFile& copy) {
  for (std::int64_t at = first; at < end; at += block_bytes) {
    copy.write(at, read_bytes(source, at, std::min(block_bytes, end - at)));
  }
}

bool has_issue_among(const std::vector<Issue>& issues, std::int64_t first, std::int64_t end) {
  return std::any_of(issues.begin(), issues.end(),
                     [&](const Issue& issue) { return issue.offset >= first && issue.offset < end; });
}

std::vector<Repair> correct_annotations(const File& file, const Source& source, NewFile& copy) {
  const Header& header = file.header();
  AnnotationCorrector corrector(file);
  for (std::int64_t record = 0; record < header.records; ++record) {
    for (std::size_t i = 0; i < header.annotation_signals.size(); ++i) {
      const Signal& signal = header.annotation_signals[i];
      const std::int64_t offset = header.bytes + record * header.record_bytes + signal.offset_in_record;
      const std::int64_t count = signal.samples_per_record * header.bytes_per_sample();
      if (const auto bytes = corrector.correct(i, read_bytes(source, offset, count), offset)) {
        copy.write(offset, *bytes);
      }
    }
  }
  return corrector.take_repairs();
}

}  // namespace

std::vector<Repair> repair(const std::filesystem::path& source, const std::filesystem::path& destination) {
  const File file(source);
  refuse_same_file(source, destination);
  const Header& header = file.header();
  const std::int64_t end = header.bytes + header.records * header.record_bytes;
  const Source from(source);
  CorrectedHeader corrected = correct_header(file, read_bytes(from, 0, header.bytes));
  std::vector<Repair> repairs = std::move(corrected.repairs);
  NewFile copy(destination);
  copy.write(0, corrected.bytes);
  copy_samples(from, header.bytes, end, copy);
  if (has_issue_among(file.issues(), header.bytes, end)) {
    auto of_annotations = correct_annotations(file, from, copy);
    std::move(of_annotations.begin(), of_annotations.end(), std::back_inserter(repairs));
  }
  if (header.leftover_bytes > 0) {
    repairs.push_back(
        {end, "data records", std::to_string(header.leftover_bytes) + " bytes of a data record cut short", "nothing"});
  }
  copy.put_in_place();
  return repairs;
}

}  // namespace seizurekit::edf
