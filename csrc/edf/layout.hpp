// The fields of an EDF or BDF header: names of the specification, offsets and widths in bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace seizurekit::edf {

inline constexpr std::int64_t main_header_bytes = 256;
inline constexpr std::int64_t signal_header_bytes = 256;

/// A field of the first 256 bytes.
struct MainField {
  std::string_view name;
  std::int64_t offset;
  std::int64_t width;
};

namespace main_field {
inline constexpr MainField version{"version", 0, 8};
inline constexpr MainField patient{"local patient identification", 8, 80};
inline constexpr MainField recording{"local recording identification", 88, 80};
inline constexpr MainField start_date{"startdate of recording", 168, 8};
inline constexpr MainField start_time{"starttime of recording", 176, 8};
inline constexpr MainField header_bytes{"number of bytes in header record", 184, 8};
inline constexpr MainField reserved{"reserved", 192, 44};
inline constexpr MainField records{"number of data records", 236, 8};
inline constexpr MainField record_duration{"duration of a data record", 244, 8};
inline constexpr MainField signals{"number of signals", 252, 4};
}  // namespace main_field

/// A field of the signal headers. The file has this field of every signal, then the next field of every signal.
struct SignalField {
  std::string_view name;
  std::int64_t offset;  // in the fields of one signal
  std::int64_t width;
};

namespace signal_field {
inline constexpr SignalField label{"label", 0, 16};
inline constexpr SignalField transducer{"transducer type", 16, 80};
inline constexpr SignalField physical_dimension{"physical dimension", 96, 8};
inline constexpr SignalField physical_min{"physical minimum", 104, 8};
inline constexpr SignalField physical_max{"physical maximum", 112, 8};
inline constexpr SignalField digital_min{"digital minimum", 120, 8};
inline constexpr SignalField digital_max{"digital maximum", 128, 8};
inline constexpr SignalField prefilter{"prefiltering", 136, 80};
inline constexpr SignalField samples{"number of samples in each data record", 216, 8};
inline constexpr SignalField reserved{"reserved", 224, 32};
}  // namespace signal_field

/// Whether each field starts where the previous one ends, and the last one ends at `bytes`.
template <typename Field, std::size_t count>
constexpr bool covers(const std::array<Field, count>& fields, std::int64_t bytes) {
  std::int64_t end = 0;
  for (const Field& field : fields) {
    if (field.offset != end) {
      return false;
    }
    end += field.width;
  }
  return end == bytes;
}

static_assert(covers(std::array{main_field::version, main_field::patient, main_field::recording, main_field::start_date,
                                main_field::start_time, main_field::header_bytes, main_field::reserved,
                                main_field::records, main_field::record_duration, main_field::signals},
                     main_header_bytes));
static_assert(covers(std::array{signal_field::label, signal_field::transducer, signal_field::physical_dimension,
                                signal_field::physical_min, signal_field::physical_max, signal_field::digital_min,
                                signal_field::digital_max, signal_field::prefilter, signal_field::samples,
                                signal_field::reserved},
                     signal_header_bytes));

/// Offset in the file of `field` of signal number `signal`, of `signals`.
constexpr std::int64_t offset_of(const SignalField& field, std::int64_t signal, std::int64_t signals) {
  return main_header_bytes + field.offset * signals + field.width * signal;
}

}  // namespace seizurekit::edf
