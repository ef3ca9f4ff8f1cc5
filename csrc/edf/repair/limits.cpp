#include "edf/repair/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "edf/field.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {
namespace {

struct Limits {
  std::string physical_min;
  std::string physical_max;
  std::int64_t digital_min;
  std::int64_t digital_max;
};

// `value` in at most eight characters, with as many digits as possible.
std::optional<std::string> in_eight_characters(double value) {
  for (int digits = 17; digits > 0; --digits) {
    std::array<char, 40> buffer{};
    const auto result =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, digits);
    if (result.ec == std::errc{} && result.ptr - buffer.data() <= 8) {
      return std::string(buffer.data(), result.ptr);
    }
  }
  return std::nullopt;
}

// Limits for which physical values equal digital ones.
Limits identity_limits(Format format, std::int64_t digital_min, std::int64_t digital_max) {
  const auto [lowest, highest] = digital_range(format);
  auto [from, to] = std::minmax(std::clamp(digital_min, lowest, highest), std::clamp(digital_max, lowest, highest));
  if (from == to) {
    return {std::to_string(lowest), std::to_string(highest), lowest, highest};
  }
  return {std::to_string(from), std::to_string(to), from, to};
}

// The physical value at `digital` on the signal's line, if eight characters hold it to float32 precision.
std::optional<std::string> physical_at(const Signal& signal, std::int64_t digital) {
  const double exact = (static_cast<double>(digital) + signal.calibration.offset) * signal.calibration.gain;
  const auto text = in_eight_characters(exact);
  const double range = std::abs(signal.physical_max - signal.physical_min);
  const double tolerance = range * static_cast<double>(std::numeric_limits<float>::epsilon()) / 64;
  return text && std::abs(read_number(*text).value - exact) <= tolerance ? text : std::nullopt;
}

// Digital limits within the range of samples, on the same line.
std::optional<Limits> limits_in_range(const Signal& signal, Format format, Limits limits) {
  const auto [lowest, highest] = digital_range(format);
  for (const bool at_min : {true, false}) {
    std::int64_t& digital = at_min ? limits.digital_min : limits.digital_max;
    if (digital >= lowest && digital <= highest) {
      continue;
    }
    digital = std::clamp(digital, lowest, highest);
    const auto physical = physical_at(signal, digital);
    if (!physical) {
      return std::nullopt;
    }
    (at_min ? limits.physical_min : limits.physical_max) = *physical;
  }
  if (limits.digital_min >= limits.digital_max) {
    return std::nullopt;
  }
  return limits;
}

std::optional<Limits> limits_of(const HeaderRepair& repair, const Signal& signal) {
  const auto field = [&](const SignalField& which) { return repair.field(which, signal.position); };
  const Number low = read_number(field(signal_field::physical_min).bytes);
  const Number high = read_number(field(signal_field::physical_max).bytes);
  const Integer from = read_integer(field(signal_field::digital_min).bytes);
  const Integer to = read_integer(field(signal_field::digital_max).bytes);
  const Format format = repair.header().format;
  if (!from.is_valid() || !to.is_valid()) {
    return identity_limits(format, 0, 0);
  }
  if (!low.is_valid() || !high.is_valid() || low.value == high.value || from.value == to.value) {
    return identity_limits(format, from.value, to.value);
  }
  Limits limits{standard_number(field(signal_field::physical_min)), standard_number(field(signal_field::physical_max)),
                from.value, to.value};
  if (limits.digital_min > limits.digital_max) {
    std::swap(limits.digital_min, limits.digital_max);
    std::swap(limits.physical_min, limits.physical_max);
  }
  return limits_in_range(signal, format, std::move(limits));
}

// Keeps a field that already has this number in standard form.
void write_number(HeaderRepair& repair, const Field& field, const std::string& text) {
  const Number found = read_number(field.bytes);
  if (found.state != NumberState::standard || found.value != read_number(text).value) {
    repair.write(field, text);
  }
}

}  // namespace

void repair_limits(HeaderRepair& repair) {
  for (const Signal& signal : repair.header().signals) {
    const std::array fields{repair.field(signal_field::physical_min, signal.position),
                            repair.field(signal_field::physical_max, signal.position),
                            repair.field(signal_field::digital_min, signal.position),
                            repair.field(signal_field::digital_max, signal.position)};
    if (std::none_of(fields.begin(), fields.end(), [&](const Field& field) { return repair.has_issue(field); })) {
      continue;
    }
    const auto limits = limits_of(repair, signal);
    if (!limits) {
      continue;
    }
    write_number(repair, fields[0], limits->physical_min);
    write_number(repair, fields[1], limits->physical_max);
    write_number(repair, fields[2], std::to_string(limits->digital_min));
    write_number(repair, fields[3], std::to_string(limits->digital_max));
  }
}

}  // namespace seizurekit::edf
