#include "edf/repair/repair.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <system_error>

#include "edf/file.hpp"
#include "edf/repair/annotations.hpp"
#include "edf/repair/labels.hpp"
#include "edf/repair/limits.hpp"
#include "edf/repair/main_fields.hpp"
#include "edf/repair/new_file.hpp"

namespace seizurekit::edf {
namespace {

constexpr std::int64_t block_bytes = 1048576;

std::string read_bytes(const Source& source, std::int64_t offset, std::int64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  source.read(offset, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void check_different_files(const std::filesystem::path& source, const std::filesystem::path& destination) {
  std::error_code error;
  if (std::filesystem::equivalent(source, destination, error) && !error) {
    throw Error(destination, {std::nullopt, "destination", "the source file itself, " + source.string(),
                              "another file: the source is never written"});
  }
}

void copy_samples(const Source& source, std::int64_t first, std::int64_t end, NewFile& copy) {
  for (std::int64_t offset = first; offset < end; offset += block_bytes) {
    copy.write(offset, read_bytes(source, offset, std::min(block_bytes, end - offset)));
  }
}

bool has_issue_in(const std::vector<Issue>& issues, std::int64_t first, std::int64_t end) {
  return std::any_of(issues.begin(), issues.end(),
                     [&](const Issue& issue) { return issue.offset >= first && issue.offset < end; });
}

// Texts of the signal headers other than labels.
void repair_texts(HeaderRepair& repair) {
  using namespace signal_field;
  for (std::int64_t signal = 0; signal < repair.signals(); ++signal) {
    for (const SignalField* text : {&transducer, &physical_dimension, &prefilter}) {
      const Field field = repair.field(*text, signal);
      if (repair.has_issue(field)) {
        repair.write(field, ascii_text(field));
      }
    }
  }
}

void repair_sample_counts(HeaderRepair& repair) {
  for (const auto* signals : {&repair.header().signals, &repair.header().annotation_signals}) {
    for (const Signal& signal : *signals) {
      const Field field = repair.field(signal_field::samples, signal.position);
      if (repair.has_issue(field)) {
        repair.write(field, std::to_string(signal.samples_per_record));
      }
    }
  }
}

std::vector<Repair> repair_annotations(const File& file, const Source& source, NewFile& copy) {
  const Header& header = file.header();
  AnnotationRepair annotations(file);
  for (std::int64_t record = 0; record < header.records; ++record) {
    for (std::size_t i = 0; i < header.annotation_signals.size(); ++i) {
      const Signal& signal = header.annotation_signals[i];
      const std::int64_t offset = header.record_offset(record) + signal.offset_in_record;
      const std::int64_t count = signal.samples_per_record * header.bytes_per_sample();
      if (const auto bytes = annotations.repair(i, read_bytes(source, offset, count), offset)) {
        copy.write(offset, *bytes);
      }
    }
  }
  return annotations.take_repairs();
}

}  // namespace

std::vector<Repair> repair(const std::filesystem::path& source_path, const std::filesystem::path& destination) {
  const File file(source_path);
  check_different_files(source_path, destination);
  const Header& header = file.header();
  const Source source(source_path);
  HeaderRepair header_repair(file, read_bytes(source, 0, header.bytes));
  repair_main_fields(header_repair);
  repair_labels(header_repair);
  repair_texts(header_repair);
  repair_limits(header_repair);
  repair_sample_counts(header_repair);
  std::vector<Repair> repairs = header_repair.take_repairs();

  NewFile copy(destination);
  copy.write(0, header_repair.bytes());
  const std::int64_t end = header.record_offset(header.records);
  copy_samples(source, header.bytes, end, copy);
  if (has_issue_in(file.issues(), header.bytes, end)) {
    auto of_annotations = repair_annotations(file, source, copy);
    std::move(of_annotations.begin(), of_annotations.end(), std::back_inserter(repairs));
  }
  if (header.leftover_bytes > 0) {
    repairs.push_back(
        {end, "size of the last data record",
         std::to_string(header.leftover_bytes) + " bytes instead of " + std::to_string(header.record_bytes),
         "nothing"});
  }
  copy.rename();
  return repairs;
}

}  // namespace seizurekit::edf
