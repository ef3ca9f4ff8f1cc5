#include "mutation.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace seizurekit::fuzz {
namespace {

using namespace std::string_view_literals;

constexpr std::array special_bytes = {
    std::uint8_t{0},   std::uint8_t{0x14}, std::uint8_t{0x15}, std::uint8_t{' '},  std::uint8_t{'+'}, std::uint8_t{'-'},
    std::uint8_t{'.'}, std::uint8_t{','},  std::uint8_t{':'},  std::uint8_t{'0'},  std::uint8_t{'9'}, std::uint8_t{'e'},
    std::uint8_t{10},  std::uint8_t{0x7f}, std::uint8_t{0x80}, std::uint8_t{0xc3}, std::uint8_t{0xff}};

constexpr std::array special_numbers = {
    "0"sv,        "1"sv,     "-1"sv,     "2"sv,        "3"sv,        "7"sv,       "16"sv,    "255"sv,
    "256"sv,      "512"sv,   "768"sv,    "1024"sv,     "32767"sv,    "-32768"sv,  "65536"sv, "8388607"sv,
    "-8388608"sv, "9999"sv,  "61440"sv,  "99999999"sv, "-9999999"sv, "4294967"sv, "0.1"sv,   "0.004"sv,
    "1e-300"sv,   "1e308"sv, "-1e999"sv, "nan"sv,      "inf"sv,      "0x10"sv,    "1,5"sv,   ".5"sv,
    "5."sv,       "+5"sv,    "- 1"sv,    "1 2"sv,      "00000003"sv, "-0"sv,      "1e5"sv,   ""sv};

constexpr std::array words = {"0       "sv,
                              "\xff"
                              "BIOSEMI"sv,
                              "EDF+C"sv,
                              "EDF+D"sv,
                              "BDF+C"sv,
                              "BDF+D"sv,
                              "24BIT"sv,
                              "EDF Annotations "sv,
                              "BDF Annotations "sv,
                              "Startdate 02-MAR-2002"sv,
                              "Startdate X X X X"sv,
                              "X X X X"sv,
                              "00.00.00"sv,
                              "09:01:17"sv,
                              "01.01.85"sv,
                              "31.02.01"sv,
                              "99.99.99"sv,
                              "+0\x14\x14\0"sv,
                              "+1\x15"
                              "2\x14"
                              "a\x14\0"sv,
                              "-1.5\x14\x14\0"sv,
                              "+1e9\x14\x14\0"sv,
                              "+99999999999999999999.9999999999\x14\x14\0"sv,
                              "+\x14\x14\0"sv,
                              "\x14\0"sv,
                              "\x15\x15"sv,
                              "\x14\x14\x14\x14"sv,
                              "\0\0\0\0\0\0\0\0"sv,
                              "        "sv,
                              "-       "sv,
                              "\xc3\xa9"sv,
                              "\xe2\x82"sv};

// Offsets of the fields of the main header. The fields of the signals follow at multiples of eight.
constexpr std::array<std::size_t, 10> header_fields = {0, 8, 88, 168, 176, 184, 192, 236, 244, 252};
constexpr std::size_t main_header_bytes = 256;
constexpr std::size_t field_width = 8;

bool is_digit(std::uint8_t byte) { return std::isdigit(byte) != 0; }

void overwrite(Bytes& input, std::size_t at, std::size_t width, std::string_view text) {
  for (std::size_t i = 0; i < width && at + i < input.size(); ++i) {
    input[at + i] = i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{' '};
  }
}

}  // namespace

Bytes Mutator::mutant(const std::vector<Bytes>& corpus) {
  Bytes input = corpus[below(corpus.size())];
  const std::size_t mutations = std::size_t{1} << below(5);
  for (std::size_t i = 0; i < mutations; ++i) {
    mutate_once(input, corpus);
  }
  input.resize(std::min(input.size(), max_length_));
  return input;
}

void Mutator::mutate_once(Bytes& input, const std::vector<Bytes>& corpus) {
  switch (input.empty() ? 5 : below(12)) {
    case 0:
      return flip_bit(input);
    case 1:
      return set_byte(input);
    case 2:
    case 3:
      return replace_number(input);
    case 4:
    case 10:
      return overwrite_field(input);
    case 5:
      return insert_bytes(input);
    case 6:
      return erase_bytes(input);
    case 7:
      return truncate(input);
    case 8:
      return repeat_range(input);
    case 9:
      return splice(input, corpus[below(corpus.size())]);
    default:
      return write_word(input);
  }
}

void Mutator::flip_bit(Bytes& input) {
  std::uint8_t& byte = input[below(input.size())];
  byte = static_cast<std::uint8_t>(byte ^ (1U << below(8)));
}

void Mutator::set_byte(Bytes& input) {
  input[below(input.size())] =
      below(2) == 0 ? special_bytes[below(special_bytes.size())] : static_cast<std::uint8_t>(below(256));
}

// Overwrites a number with another one; the bytes after it keep their offsets.
void Mutator::replace_number(Bytes& input) {
  const auto start = input.begin() + static_cast<std::ptrdiff_t>(below(input.size()));
  const auto first = std::find_if(start, input.end(), is_digit);
  const auto last = std::find_if_not(first, input.end(), is_digit);
  if (first == last) {
    return;
  }
  const auto digits = static_cast<std::size_t>(last - first);
  const std::size_t width = below(3) == 0 ? std::max(digits, field_width) : digits;
  overwrite(input, static_cast<std::size_t>(first - input.begin()), width,
            special_numbers[below(special_numbers.size())]);
}

void Mutator::overwrite_field(Bytes& input) {
  const std::size_t fields = input.size() > main_header_bytes ? (input.size() - main_header_bytes) / field_width : 0;
  const bool of_signal = fields > 0 && below(2) == 0;
  const std::size_t at =
      of_signal ? main_header_bytes + field_width * below(fields) : header_fields[below(header_fields.size())];
  overwrite(input, at, field_width, special_numbers[below(special_numbers.size())]);
}

void Mutator::write_word(Bytes& input) {
  const std::string_view word = words[below(words.size())];
  const std::size_t at = below(input.size());
  if (below(2) == 0) {
    overwrite(input, at, word.size(), word);
  } else {
    input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), word.begin(), word.end());
  }
}

void Mutator::insert_bytes(Bytes& input) {
  const auto at = static_cast<std::ptrdiff_t>(below(input.size() + 1));
  const auto byte = below(2) == 0 ? special_bytes[below(special_bytes.size())] : static_cast<std::uint8_t>(below(256));
  input.insert(input.begin() + at, 1 + below(8), byte);
}

void Mutator::erase_bytes(Bytes& input) {
  const std::size_t at = below(input.size());
  const std::size_t count = std::min(1 + below(16), input.size() - at);
  const auto first = input.begin() + static_cast<std::ptrdiff_t>(at);
  input.erase(first, first + static_cast<std::ptrdiff_t>(count));
}

void Mutator::truncate(Bytes& input) {
  const std::size_t cut = below(4) == 0 ? below(input.size()) : below(std::min<std::size_t>(input.size(), 64));
  input.resize(input.size() - cut);
}

void Mutator::repeat_range(Bytes& input) {
  const std::size_t at = below(input.size());
  const std::size_t count = std::min(1 + below(256), input.size() - at);
  const auto first = input.begin() + static_cast<std::ptrdiff_t>(at);
  const Bytes range(first, first + static_cast<std::ptrdiff_t>(count));
  input.insert(input.begin() + static_cast<std::ptrdiff_t>(below(input.size())), range.begin(), range.end());
}

void Mutator::splice(Bytes& input, const Bytes& donor) {
  if (donor.empty()) {
    return;
  }
  const std::size_t at = below(std::min(input.size(), donor.size()));
  const std::size_t count = std::min({1 + below(512), input.size() - at, donor.size() - at});
  std::copy_n(donor.begin() + static_cast<std::ptrdiff_t>(at), count, input.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace seizurekit::fuzz
