#include "libs/grpcx/peer.h"

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace weir::grpcx {

std::string PeerName(absl::string_view peer) {
  if (absl::StartsWith(peer, "unix:") || absl::StartsWith(peer, "unix-abstract:")) return "unix";
  if (absl::ConsumePrefix(&peer, "ipv4:")) return std::string(peer);
  // gRPC escapes the brackets, and the percent sign of a zone.
  if (absl::ConsumePrefix(&peer, "ipv6:")) {
    return absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  }
  return std::string(peer);
}

}  // namespace weir::grpcx
