// Addresses and networks of IPv4 and IPv6. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace weir::policy {

struct IpAddress {
  // "203.0.113.7", "2001:db8::7", "fe80::1%eth0". An IPv4 address in the clothes of IPv6 (::ffff:203.0.113.7) is one of IPv4.
  static std::optional<IpAddress> Parse(absl::string_view text);

  int bits() const { return v6 ? 128 : 32; }

  bool v6 = false;
  std::array<uint8_t, 16> bytes = {};  // of IPv4 the first four
};

class IpNetwork {
 public:
  // "203.0.113.0/24", "2001:db8::/32", or an address, which is a network of its own. Bits beyond the prefix do not count.
  static std::optional<IpNetwork> Parse(absl::string_view text);

  // No network has addresses of both versions: ::/0 is all of IPv6 and none of IPv4.
  bool Contains(const IpAddress& address) const;

 private:
  IpNetwork(const IpAddress& address, int prefix) : address_(address), prefix_(prefix) {}

  IpAddress address_;
  int prefix_;  // bits
};

}  // namespace weir::policy
