#include "libs/policy/ip_network.h"

#include <gtest/gtest.h>

namespace weir::policy {
namespace {

TEST(IpNetworkTest, Contains) {
  const struct {
    absl::string_view network, address;
    bool contains;
  } cases[] = {
      {"203.0.113.0/24", "203.0.113.0", true},
      {"203.0.113.0/24", "203.0.113.255", true},
      {"203.0.113.0/24", "203.0.114.0", false},
      {"203.0.113.77/24", "203.0.113.1", true},
      {"203.0.113.7", "203.0.113.7", true},
      {"203.0.113.7", "203.0.113.6", false},
      {"203.0.113.7/32", "203.0.113.7", true},
      {"203.0.112.0/23", "203.0.113.9", true},
      {"203.0.112.0/23", "203.0.114.9", false},
      {"128.0.0.0/1", "255.1.1.1", true},
      {"128.0.0.0/1", "127.1.1.1", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "8.8.8.8", false},
      {"2001:DB8:1234:5678::/64", "2001:db8:1234:5678:9::1", true},
      {"2001:db8:1234:5678::/64", "2001:db8:1234:5679::1", false},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"::1", "::1", true},
      {"203.0.113.0/24", "::ffff:203.0.113.9", true},
      {"::ffff:203.0.113.0/120", "203.0.113.9", true},
      {"::ffff:203.0.113.0/120", "203.0.114.9", false},
      {"fe80::/10", "fe80::1%eth0", true},
  };
  for (const auto& each : cases) {
    const auto network = IpNetwork::Parse(each.network);
    const auto address = IpAddress::Parse(each.address);
    ASSERT_TRUE(network.has_value() && address.has_value()) << each.network << " " << each.address;
    EXPECT_EQ(network->Contains(*address), each.contains) << each.network << " " << each.address;
  }
}

TEST(IpNetworkTest, WhatIsNone) {
  for (const absl::string_view text : {"", "*", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
                                       "10.0.0.0/8/8", "10.0.0", "10.0.0.256", "10.0.0.0/8x", "::/129", ":::", "localhost"}) {
    EXPECT_FALSE(IpNetwork::Parse(text).has_value()) << text;
  }
  EXPECT_FALSE(IpNetwork::Parse(absl::string_view("10.0.0.1\0/8", 11)).has_value());
  for (const absl::string_view text : {"", "10.0.0.0/8", "10.0.0.0:80", "[::1]", "localhost"}) {
    EXPECT_FALSE(IpAddress::Parse(text).has_value()) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(absl::string_view("10.0.0.1\0", 9)).has_value());
}

}  // namespace
}  // namespace weir::policy
