// The header parser. The input is a complete file.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "edf/field.hpp"
#include "edf/header.hpp"
#include "require.hpp"

namespace {

using namespace seizurekit::edf;
using seizurekit::fuzz::require;

void check_issue(const Issue& issue, std::int64_t file_size) {
  require(issue.offset >= 0 && issue.offset <= file_size);
  require(!issue.field.empty());
  require(is_utf8(issue.found) && is_utf8(issue.used));
}

// What reading samples depends on: signals within the record, records within the file.
void check_header(const Header& header, std::int64_t file_size) {
  std::int64_t record_bytes = 0;
  for (const auto* signals : {&header.signals, &header.annotation_signals}) {
    for (const Signal& signal : *signals) {
      require(signal.samples_per_record >= 0);
      require(signal.offset_in_record >= 0);
      record_bytes += signal.samples_per_record * header.bytes_per_sample();
      require(signal.offset_in_record + signal.samples_per_record * header.bytes_per_sample() <= header.record_bytes);
      require(is_utf8(signal.label) && is_utf8(signal.physical_dimension));
    }
  }
  for (const Signal& signal : header.signals) {
    require(std::isfinite(header.sampling_rate(signal)) && header.sampling_rate(signal) >= 0.0);
    require(std::isfinite(signal.calibration.gain) && std::isfinite(signal.calibration.offset));
  }
  require(record_bytes == header.record_bytes);
  require(header.records >= 1 && header.leftover_bytes >= 0 && header.leftover_bytes < header.record_bytes);
  require(header.bytes + header.records * header.record_bytes + header.leftover_bytes == file_size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file_size = static_cast<std::int64_t>(size);
  const auto result = parse_header(bytes, file_size);
  if (const auto* fault = std::get_if<Fault>(&result)) {
    require(!fault->field.empty() && !fault->expected.empty());
    require(is_utf8(fault->found) && is_utf8(fault->expected));
    return 0;
  }
  const auto& parsed = std::get<ParsedHeader>(result);
  for (const Issue& issue : parsed.issues) {
    check_issue(issue, file_size);
  }
  check_header(parsed.header, file_size);
  return 0;
}
