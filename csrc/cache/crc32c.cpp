#include "cache/crc32c.hpp"

#include <array>
#include <cstring>

#include "cache/kernels.hpp"
#include "support/isa.hpp"

namespace seizurekit::cache {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78;

using Table = std::array<std::uint32_t, 256>;

// tables[k][b]: the checksum of byte b followed by k bytes of zero.
constexpr std::array<Table, 8> byte_tables() {
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

constexpr std::array<Table, 8> tables = byte_tables();

std::uint32_t by_tables(std::uint32_t crc, const unsigned char* data, std::size_t count) {
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
// What `crc32c_stripe` zero bytes behind a checksum make of it, one table a byte of the checksum.
std::array<Table, 4> stripe_tables() {
  const std::array<unsigned char, crc32c_stripe> zeros{};
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    of_bit[bit] = by_tables(std::uint32_t{1} << bit, zeros.data(), zeros.size());
  }
  std::array<Table, 4> made{};
  for (std::size_t place = 0; place < 4; ++place) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      for (std::size_t bit = 0; bit < 8; ++bit) {
        made[place][byte] ^= ((byte >> bit) & 1) != 0 ? of_bit[8 * place + bit] : 0;
      }
    }
  }
  return made;
}
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> data) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
#ifdef SEIZUREKIT_X86_LEVELS
  if (current_isa() != Isa::baseline) {
    static const std::array<Table, 4> stripes = stripe_tables();
    const std::array<const std::uint32_t*, 4> rows{stripes[0].data(), stripes[1].data(), stripes[2].data(),
                                                   stripes[3].data()};
    return ~avx2::crc32c_update(~std::uint32_t{0}, bytes, data.size(), rows.data());
  }
#endif
  return ~by_tables(~std::uint32_t{0}, bytes, data.size());
}

}  // namespace seizurekit::cache
