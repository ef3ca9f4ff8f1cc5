#include "cache/lz4.hpp"

#include <cstdint>
#include <cstring>

namespace seizurekit::cache {
namespace {

constexpr std::size_t minimum_match = 4;
constexpr std::size_t stride = 16;  // bytes copied at once; a copy may write up to that much past its end

// Adds the bytes that extend a length of 15; false if the input ends inside it.
bool read_length(const std::byte*& in, const std::byte* end, std::size_t& length) {
  if (length != 15) {
    return true;
  }
  unsigned added = 255;
  while (added == 255) {
    if (in == end) {
      return false;
    }
    added = std::to_integer<unsigned>(*in++);
    length += added;
  }
  return true;
}

// Copies in steps of `stride`; the last one may write past the end.
void copy_strides(const std::byte* from, std::byte* to, std::size_t count) {
  for (std::size_t i = 0; i < count; i += stride) {
    std::memcpy(to + i, from + i, stride);
  }
}

// Repeats the bytes from `distance` before `to` on; source and destination may overlap.
void copy_match(std::byte* to, std::size_t distance, std::size_t count) {
  if (distance == 1) {
    std::memset(to, std::to_integer<int>(to[-1]), count);
    return;
  }
  if (distance < stride) {
    for (std::size_t i = 0; i < stride; ++i) {
      to[i] = to[static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(distance)];
    }
    if (count <= stride) {
      return;
    }
    distance *= (stride + distance - 1) / distance;  // the bytes repeat at multiples of it too
    to += stride;
    count -= stride;
  }
  copy_strides(to - distance, to, count);
}

std::size_t read_distance(const std::byte* in) {
  return std::to_integer<std::size_t>(in[0]) | (std::to_integer<std::size_t>(in[1]) << 8);
}

}  // namespace

bool lz4_decode(std::span<const std::byte> block, std::span<std::byte> out) noexcept {
  const std::byte* in = block.data();
  const std::byte* const in_end = in + block.size();
  std::byte* to = out.data();
  std::byte* const out_end = to + out.size();
  while (in != in_end) {
    const auto token = std::to_integer<unsigned>(*in++);
    std::size_t literals = token >> 4;
    std::size_t match = token & 15;
    // Most sequences are short. Copies of fixed size need no branches, which would often be mispredicted.
    if (literals < 15 && match < 15 && in_end - in >= 16 && out_end - to >= 32) {
      std::memcpy(to, in, 16);
      std::byte* const match_to = to + literals;
      const std::size_t distance = read_distance(in + literals);
      if (distance >= 8 && distance <= static_cast<std::size_t>(match_to - out.data())) {
        const std::byte* const from = match_to - distance;
        std::memcpy(match_to, from, 8);
        std::memcpy(match_to + 8, from + 8, 8);
        std::memcpy(match_to + 16, from + 16, 2);
        in += literals + 2;
        to = match_to + match + minimum_match;
        continue;
      }
    }
    if (!read_length(in, in_end, literals) || literals > static_cast<std::size_t>(in_end - in) ||
        literals > static_cast<std::size_t>(out_end - to)) {
      return false;
    }
    if (literals <= 2 * stride && static_cast<std::size_t>(in_end - in) >= literals + stride) {
      copy_strides(in, to, literals);
    } else if (literals > 0) {
      std::memcpy(to, in, literals);
    }
    in += literals;
    to += literals;
    if (in == in_end) {
      return to == out_end;  // the last sequence has no match
    }
    if (in_end - in < 2) {
      return false;
    }
    const std::size_t distance = read_distance(in);
    in += 2;
    if (distance == 0 || distance > static_cast<std::size_t>(to - out.data()) || !read_length(in, in_end, match)) {
      return false;
    }
    match += minimum_match;
    if (match > static_cast<std::size_t>(out_end - to)) {
      return false;
    }
    copy_match(to, distance, match);
    to += match;
  }
  return false;
}

}  // namespace seizurekit::cache
