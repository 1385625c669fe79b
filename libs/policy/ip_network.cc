#include "libs/policy/ip_network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace weir::policy {
namespace {

// ::ffff:0:0/96
constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

std::optional<IpAddress> ParsePlain(const std::string& text) {
  IpAddress address;
  if (inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

bool IsMapped(const IpAddress& address) {
  return address.v6 && std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
}

IpAddress Unmapped(const IpAddress& address) {
  if (!IsMapped(address)) return address;
  IpAddress v4;
  std::copy(address.bytes.begin() + kMapped.size(), address.bytes.end(), v4.bytes.begin());
  return v4;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(absl::string_view text) {
  if (absl::StrContains(text, '\0')) return std::nullopt;  // where inet_pton would see the end
  const auto address = ParsePlain(std::string(text.substr(0, text.find('%'))));
  if (!address.has_value()) return std::nullopt;
  return Unmapped(*address);
}

std::optional<IpNetwork> IpNetwork::Parse(absl::string_view text) {
  if (absl::StrContains(text, '\0')) return std::nullopt;
  const size_t slash = text.find('/');
  const auto address = ParsePlain(std::string(text.substr(0, slash)));
  if (!address.has_value()) return std::nullopt;
  int prefix = address->bits();
  if (slash != absl::string_view::npos) {
    const absl::string_view digits = text.substr(slash + 1);
    const bool all_digits = std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
    if (!all_digits || !absl::SimpleAtoi(digits, &prefix) || prefix > address->bits()) return std::nullopt;
  }
  if (IsMapped(*address) && prefix >= kMappedBits) return IpNetwork(Unmapped(*address), prefix - kMappedBits);
  return IpNetwork(*address, prefix);
}

bool IpNetwork::Contains(const IpAddress& address) const {
  if (address.v6 != address_.v6) return false;
  for (int bit = 0; bit < prefix_; bit += 8) {
    const int counted = std::min(8, prefix_ - bit);
    const int mask = 0xff & (0xff << (8 - counted));
    if (((address.bytes[bit / 8] ^ address_.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

}  // namespace weir::policy
