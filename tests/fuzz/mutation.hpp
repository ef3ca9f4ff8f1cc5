// Seeded random mutations of inputs: bytes, ASCII numbers, lengths, and words of the EDF format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace seizurekit::fuzz {

using Bytes = std::vector<std::uint8_t>;

class Mutator {
 public:
  Mutator(std::uint64_t seed, std::size_t max_length) : random_(seed), max_length_(max_length) {}

  /// A mutant of a random element of `corpus`, which must not be empty. It has at most `max_length` bytes.
  Bytes mutant(const std::vector<Bytes>& corpus);

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random_() % bound); }
  void mutate_once(Bytes& input, const std::vector<Bytes>& corpus);
  void flip_bit(Bytes& input);
  void set_byte(Bytes& input);
  void replace_number(Bytes& input);
  void overwrite_field(Bytes& input);
  void write_word(Bytes& input);
  void insert_bytes(Bytes& input);
  void erase_bytes(Bytes& input);
  void truncate(Bytes& input);
  void repeat_range(Bytes& input);
  void splice(Bytes& input, const Bytes& donor);

  std::mt19937_64 random_;
  std::size_t max_length_;
};

}  // namespace seizurekit::fuzz
