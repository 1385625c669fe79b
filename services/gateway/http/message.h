// A request and its answer as the rest of the gateway sees them: plain values, no matter what reads and writes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace weir::gateway::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // "POST"
  std::string target;  // "/000000000000/orders?Action=SendMessage", as it was sent
  Headers headers;     // as they were sent, in order
  std::string body;
  // Of whoever connected, which may be a proxy: "203.0.113.7"; empty: not known.
  std::string remote_address;

  // The first header of that name in any case; empty: there is none.
  absl::string_view Header(absl::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (absl::EqualsIgnoreCase(key, name)) return value;
    }
    return {};
  }
  // The target without what stands behind '?'.
  absl::string_view path() const { return absl::string_view(target).substr(0, target.find('?')); }
  // What stands behind '?'.
  absl::string_view query() const {
    const size_t mark = target.find('?');
    return mark == std::string::npos ? absl::string_view() : absl::string_view(target).substr(mark + 1);
  }
};

// Content-Length, Connection and Date are the server's to add.
struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

}  // namespace weir::gateway::http
