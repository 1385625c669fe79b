#include "libs/grpcx/peer.h"

#include <gtest/gtest.h>

namespace weir::grpcx {
namespace {

TEST(PeerNameTest, IsTheAddressWithoutItsScheme) {
  EXPECT_EQ(PeerName("ipv4:10.0.0.1:45678"), "10.0.0.1:45678");
  EXPECT_EQ(PeerName("ipv6:%5B::1%5D:45678"), "[::1]:45678");
  EXPECT_EQ(PeerName("ipv6:[fe80::1]:45678"), "[fe80::1]:45678");
  EXPECT_EQ(PeerName("ipv6:%5Bfe80::1%25eth0%5D:1"), "[fe80::1%eth0]:1");
}

TEST(PeerNameTest, UnixSocketsHaveNoAddress) {
  EXPECT_EQ(PeerName("unix:"), "unix");
  EXPECT_EQ(PeerName("unix:/run/weir.sock"), "unix");
  EXPECT_EQ(PeerName("unix-abstract:weir"), "unix");
}

TEST(PeerNameTest, WhatIsNotKnownStaysAsItIs) {
  EXPECT_EQ(PeerName("unknown"), "unknown");
  EXPECT_EQ(PeerName(""), "");
}

}  // namespace
}  // namespace weir::grpcx
