// Physical and digital limits of a corrected header.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "edf/field.hpp"
#include "edf/header_corrector.hpp"
#include "edf/layout.hpp"

namespace seizurekit::edf {
namespace {

using namespace signal_field;

struct Limits {
  std::string physical_min;
  std::string physical_max;
  std::int64_t digital_min;
  std::int64_t digital_max;
};

std::pair<std::int64_t, std::int64_t> widest(Format format) {
  return format == Format::bdf ? std::pair<std::int64_t, std::int64_t>{-8388608, 8388607}
                               : std::pair<std::int64_t, std::int64_t>{-32768, 32767};
}

// `value` in the eight characters of a field, as exactly as they can say it.
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

// Limits under which physical values are the digital ones.
Limits identity(Format format, std::int64_t digital_min, std::int64_t digital_max) {
  const auto [lowest, highest] = widest(format);
  auto [from, to] = std::minmax(std::clamp(digital_min, lowest, highest), std::clamp(digital_max, lowest, highest));
  if (from == to) {
    return {std::to_string(lowest), std::to_string(highest), lowest, highest};
  }
  return {std::to_string(from), std::to_string(to), from, to};
}

// The physical limit at `digital` on the signal's line, if eight characters say it to float precision.
std::optional<std::string> physical_at(const Signal& signal, std::int64_t digital) {
  const double exact = (static_cast<double>(digital) + signal.calibration.offset) * signal.calibration.gain;
  const auto text = in_eight_characters(exact);
  const double range = std::abs(signal.physical_max - signal.physical_min);
  const double tolerance = range * static_cast<double>(std::numeric_limits<float>::epsilon()) / 64;
  return text && std::abs(read_number(*text).value - exact) <= tolerance ? text : std::nullopt;
}

// Digital limits within what the samples' bytes hold, on the same line.
std::optional<Limits> within_format(const Signal& signal, Format format, Limits limits) {
  const auto [lowest, highest] = widest(format);
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

std::optional<Limits> limits_of(const HeaderCorrector& corrector, const Signal& signal) {
  const auto field = [&](const SignalField& wanted) { return corrector.field(wanted, signal.position); };
  const Number low = read_number(field(physical_min).bytes);
  const Number high = read_number(field(physical_max).bytes);
  const Integer from = read_integer(field(digital_min).bytes);
  const Integer to = read_integer(field(digital_max).bytes);
  const Format format = corrector.header().format;
  if (!from.readable() || !to.readable()) {
    return identity(format, 0, 0);
  }
  if (!low.readable() || !high.readable() || low.value == high.value || from.value == to.value) {
    return identity(format, from.value, to.value);
  }
  Limits limits{plain_number(field(physical_min)), plain_number(field(physical_max)), from.value, to.value};
  if (limits.digital_min > limits.digital_max) {
    std::swap(limits.digital_min, limits.digital_max);
    std::swap(limits.physical_min, limits.physical_max);
  }
  return within_format(signal, format, std::move(limits));
}

// A field that says the number already, as the specification wants it, stays as it is.
void write_number(HeaderCorrector& corrector, const Field& field, const std::string& text) {
  const Number found = read_number(field.bytes);
  if (found.state != NumberState::good || found.value != read_number(text).value) {
    corrector.write(field, text);
  }
}

}  // namespace

void correct_limits(HeaderCorrector& corrector) {
  for (const Signal& signal : corrector.header().signals) {
    const std::array fields{
        corrector.field(physical_min, signal.position), corrector.field(physical_max, signal.position),
        corrector.field(digital_min, signal.position), corrector.field(digital_max, signal.position)};
    if (std::none_of(fields.begin(), fields.end(), [&](const Field& field) { return corrector.mended(field); })) {
      continue;
    }
    const auto limits = limits_of(corrector, signal);
    if (!limits) {
      continue;
    }
    write_number(corrector, fields[0], limits->physical_min);
    write_number(corrector, fields[1], limits->physical_max);
    write_number(corrector, fields[2], std::to_string(limits->digital_min));
    write_number(corrector, fields[3], std::to_string(limits->digital_max));
  }
}

}  // namespace seizurekit::edf
