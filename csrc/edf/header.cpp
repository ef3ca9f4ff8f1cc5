#include "edf/header.hpp"

#include <algorithm>
#include <utility>

#include "edf/field.hpp"
#include "edf/header_reader.hpp"
#include "edf/main_header.hpp"
#include "edf/signal_header.hpp"
#include "edf/version.hpp"

namespace seizurekit::edf {
namespace {

std::string bytes_text(std::int64_t count) { return std::to_string(count) + (count == 1 ? " byte" : " bytes"); }

// The number of data records follows from the file size; the header's own number is only compared with it.
void count_records(HeaderReader& reader, Header& header) {
  const Field field = reader.field(main_field::records);
  const std::int64_t data_bytes = reader.file_size - header.bytes;
  header.records = header.record_bytes == 0 ? 0 : data_bytes / header.record_bytes;
  if (header.records == 0) {
    reader.fault = Fault{header.bytes, "size of the data records", bytes_text(data_bytes),
                         header.record_bytes == 0 ? "signals with samples"
                                                  : "at least one data record of " + bytes_text(header.record_bytes)};
    return;
  }
  const Integer declared = read_integer(field.bytes);
  if (declared.state != NumberState::standard || declared.value != header.records) {
    reader.add_issue(field, std::to_string(header.records) + ", from the file size");
  }
  header.leftover_bytes = data_bytes - header.records * header.record_bytes;
  if (header.leftover_bytes > 0) {
    reader.issues.push_back({reader.file_size - header.leftover_bytes, "size of the last data record",
                             bytes_text(header.leftover_bytes) + " instead of " + std::to_string(header.record_bytes),
                             "no data record"});
  }
}

void check_timing(HeaderReader& reader, const Header& header) {
  const bool has_samples = std::any_of(header.signals.begin(), header.signals.end(),
                                       [](const Signal& signal) { return signal.samples_per_record > 0; });
  if (header.record_duration == 0 && has_samples) {
    reader.fail(reader.field(main_field::record_duration), "more than 0 s, because there are signals with samples");
  }
  const Field kind = reader.field(main_field::reserved);
  const bool has_annotations = std::any_of(header.annotation_signals.begin(), header.annotation_signals.end(),
                                           [](const Signal& signal) { return signal.samples_per_record > 0; });
  if (header.marked_discontinuous && !has_annotations) {
    reader.fail(kind, "an annotation signal with the start of each data record");
  } else if (header.plus && !has_annotations) {
    reader.add_issue(kind, "a continuous recording without annotations");
  } else if (!header.plus && has_annotations) {
    reader.add_issue(kind, "a continuous recording with annotations, because there is an annotation signal");
  }
}

void check_sampling_rates(HeaderReader& reader, const Header& header, std::int64_t signals) {
  constexpr double highest = 1e8;
  for (const Signal& signal : header.signals) {
    if (header.sampling_rate(signal) > highest) {
      reader.fail(reader.field(signal_field::samples, signal.position, signals),
                  "a sampling rate of at most 1e8 Hz with data records of " + to_text(header.record_duration) + " s");
    }
  }
}

}  // namespace

double Header::sampling_rate(const Signal& signal) const {
  return signal.samples_per_record == 0 ? 0.0 : static_cast<double>(signal.samples_per_record) / record_duration;
}

std::variant<std::int64_t, Fault> header_length(std::string_view first_bytes, std::int64_t file_size) {
  HeaderReader reader(first_bytes, file_size);
  if (!read_version(reader)) {
    return reader.fault.value_or(Fault{});
  }
  const std::int64_t signals = read_signal_count(reader);
  if (reader.fault) {
    return *reader.fault;
  }
  const std::int64_t length = main_header_bytes + signals * signal_header_bytes;
  if (length > file_size) {
    const Field count = reader.field(main_field::signals);
    return Fault{count.offset, count.name, quote(count.bytes),
                 "signal headers that fit into the file of " + bytes_text(file_size)};
  }
  return length;
}

std::variant<ParsedHeader, Fault> parse_header(std::string_view bytes, std::int64_t file_size) {
  const auto length = header_length(bytes, file_size);
  if (const auto* fault = std::get_if<Fault>(&length)) {
    return *fault;
  }
  const std::int64_t header_bytes = std::get<std::int64_t>(length);
  if (static_cast<std::int64_t>(bytes.size()) < header_bytes) {
    return Fault{std::nullopt, "header", bytes_text(static_cast<std::int64_t>(bytes.size())), bytes_text(header_bytes)};
  }
  HeaderReader reader(bytes, file_size);
  Header header;
  header.format = read_version(reader).value_or(Format::edf);
  const std::int64_t signals = read_signal_count(reader);
  read_main_header(reader, signals, header);
  if (!reader.fault) {
    read_signal_headers(reader, signals, header);
  }
  if (!reader.fault) {
    count_records(reader, header);
  }
  if (!reader.fault) {
    check_timing(reader, header);
  }
  if (!reader.fault) {
    check_sampling_rates(reader, header, signals);
  }
  if (reader.fault) {
    return *reader.fault;
  }
  std::stable_sort(reader.issues.begin(), reader.issues.end(),
                   [](const Issue& a, const Issue& b) { return a.offset < b.offset; });
  return ParsedHeader{std::move(header), std::move(reader.issues)};
}

}  // namespace seizurekit::edf
