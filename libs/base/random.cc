#include "libs/base/random.h"

#include <openssl/rand.h>

#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/escaping.h"
#include "libs/base/check.h"

namespace weir {

std::string RandomUuid() {
  // BitGen is seeded from the operating system's entropy per thread.
  thread_local absl::BitGen gen;
  uint64_t words[2] = {absl::Uniform<uint64_t>(gen), absl::Uniform<uint64_t>(gen)};
  words[0] = (words[0] & ~uint64_t{0xF000}) | 0x4000;                                  // version 4
  words[1] = (words[1] & ~(uint64_t{3} << 62)) | (uint64_t{2} << 62);                  // RFC 4122 variant
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(36, '-');
  size_t at = 0;
  for (int digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) ++at;
    const uint64_t word = words[digit / 16];
    out[at++] = kHex[(word >> (60 - 4 * (digit % 16))) & 0xF];
  }
  return out;
}

std::string RandomToken(size_t bytes) {
  std::string raw(bytes, '\0');
  WEIR_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()),
                        static_cast<int>(raw.size())) == 1);
  return absl::BytesToHexString(raw);
}

}  // namespace weir
