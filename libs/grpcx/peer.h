// Who calls, as people are told.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace weir::grpcx {

// Of what ServerContext::peer() says: "10.0.0.1:45678", "[::1]:45678"; "unix" for every unix socket. Else as it is.
std::string PeerName(absl::string_view peer);

}  // namespace weir::grpcx
