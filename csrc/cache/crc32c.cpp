#include "cache/crc32c.hpp"

#include <array>
#include <cstring>

#include "cache/kernels.hpp"
#include "support/isa.hpp"

namespace seizurekit::cache {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78;

using Table = std::array<std::uint32_t, 256>;

// tables[k][b]: the checksum of byte b followed by k zero bytes.
constexpr std::array<Table, 8> make_byte_tables() {
  std::array<Table, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t zeros = 1; zeros < 8; ++zeros) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[zeros - 1][byte];
      tables[zeros][byte] = (crc >> 8) ^ tables[0][crc & 0xFF];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> byte_tables = make_byte_tables();

// The state after `count` more bytes, 8 at a time.
std::uint32_t update_by_tables(std::uint32_t crc, const unsigned char* data, std::size_t count) {
  const auto& tables = byte_tables;
  for (; count >= 8; count -= 8, data += 8) {
    crc = tables[7][(crc ^ data[0]) & 0xFF] ^ tables[6][((crc >> 8) ^ data[1]) & 0xFF] ^
          tables[5][((crc >> 16) ^ data[2]) & 0xFF] ^ tables[4][(crc >> 24) ^ data[3]] ^ tables[3][data[4]] ^
          tables[2][data[5]] ^ tables[1][data[6]] ^ tables[0][data[7]];
  }
  for (; count > 0; --count, ++data) {
    crc = (crc >> 8) ^ tables[0][(crc ^ *data) & 0xFF];
  }
  return crc;
}

#ifdef SEIZUREKIT_X86_LEVELS
// The state after `crc32c_stripe` zero bytes: the XOR of one entry per byte of the state before.
std::array<Table, 4> make_stripe_tables() {
  const std::array<unsigned char, crc32c_stripe> zeros{};
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    of_bit[bit] = update_by_tables(std::uint32_t{1} << bit, zeros.data(), zeros.size());
  }
  std::array<Table, 4> stripes{};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        stripes[i][byte] ^= ((byte >> bit) & 1) != 0 ? of_bit[8 * i + bit] : 0;
      }
    }
  }
  return stripes;
}
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> data) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
#ifdef SEIZUREKIT_X86_LEVELS
  if (current_isa() != Isa::baseline) {
    static const std::array<Table, 4> stripes = make_stripe_tables();
    const std::array<const std::uint32_t*, 4> tables{stripes[0].data(), stripes[1].data(), stripes[2].data(),
                                                     stripes[3].data()};
    return ~avx2::crc32c_update(~std::uint32_t{0}, bytes, data.size(), tables.data());
  }
#endif
  return ~update_by_tables(~std::uint32_t{0}, bytes, data.size());
}

}  // namespace seizurekit::cache
