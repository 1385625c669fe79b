#include "libs/base/hash.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

// Vectors of RFC 1321 and FIPS 180-4.
TEST(HashTest, Md5OfKnownTexts) {
  EXPECT_EQ(Md5Hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Md5Hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(HashTest, Sha256OfKnownTexts) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Base64("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

TEST(HashTest, StableHashStaysAsItIs) {
  // Vectors of FNV-1a's authors.
  EXPECT_EQ(StableHash(""), 0xcbf29ce484222325u);
  EXPECT_EQ(StableHash("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(StableHash("foobar"), 0x85944171f73967e8u);
}

TEST(HashTest, MixBitsIsTheFinishOfSplitMix64) {
  // The generator's first number from seed 0: its state is then the golden ratio.
  EXPECT_EQ(MixBits(0x9e3779b97f4a7c15u), 0xe220a8397b1dcdafu);
}

}  // namespace
}  // namespace weir
