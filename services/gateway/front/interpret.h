// From an HTTP request to the operation that it asks for, and from an outcome to an HTTP response. No I/O.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/gateway/auth/sigv4.h"
#include "services/gateway/http/message.h"
#include "services/gateway/wire/service.h"

namespace weir::gateway::front {

struct Options {
  // What URLs in answers begin with; empty: "http://" and the Host of the request.
  std::string base_url;
  std::string default_account = "000000000000";
  std::string default_region = "us-east-1";
  // Asked for every request, and the account is the access key's; null: nothing is verified, and the access key is believed. Must
  // outlive what uses these options.
  auth::SigV4Verifier* verifier = nullptr;
  // The front door starts closed: see FrontDoor::Open.
  bool closed = false;
};

enum class Protocol { kJson, kQuery };

// A request in whole or in part: what is known also where it is an error, so that the error can be told in its protocol.
struct Interpreted {
  Protocol protocol = Protocol::kQuery;
  wire::Service* service = nullptr;            // never null
  const wire::Operation* operation = nullptr;  // null: `input` is an error
  wire::CallContext context;
  wire::Outcome input;
};

// `now` is what signatures are measured by. REQUIRES: there is a service.
Interpreted Interpret(const http::Request& request, const Options& options, const std::vector<wire::Service*>& services,
                      absl::Time now);

// `outcome` of what was asked for.
http::Response Respond(const Interpreted& request, const wire::Outcome& outcome, const std::string& request_id);

}  // namespace weir::gateway::front
