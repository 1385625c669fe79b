// An HTTP/1.1 server that holds no thread for a request in progress: a long poll costs its connection's memory and nothing else.
//
// A few threads, each with an event loop of its own; a connection stays with one loop. Everything is bounded: connections, the
// bytes of a header, of a body and of all bodies together, and the time that a client may take to send or to take them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/gateway/http/message.h"

namespace weir::gateway::http {

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // HOST:PORT; port 0: any free one
  int threads = 2;
  // A connection beyond is closed at once.
  size_t connections_max = 20'000;
  // With the request line.
  size_t header_bytes_max = size_t{64} << 10;
  // A message of 1 MiB grows at most threefold as a form (percent-encoding) and as JSON (\u escapes of text that is not ASCII).
  size_t body_bytes_max = size_t{8} << 20;
  // Of all requests that are being read and handled; those beyond are refused.
  size_t body_bytes_together_max = size_t{256} << 20;
  // From the previous answer to the end of the next header: bounds idle connections and clients that trickle a header.
  absl::Duration header_timeout = absl::Seconds(75);
  // For a whole body, and for taking a whole answer.
  absl::Duration transfer_timeout = absl::Seconds(60);
  // How long Stop waits for requests that are being answered.
  absl::Duration drain_timeout = absl::Seconds(10);
};

// One request that waits for its answer. Must not outlive the server. Dropped without an answer it closes its connection.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Once, from any thread. Does nothing when the client is gone.
  virtual void Answer(Response response) = 0;
  // `gone` is called, once and on a thread of the server, if the client goes away before the answer; and not after it. A client that
  // has ended its side of the connection counts as gone.
  // REQUIRES: called by the handler, before anyone else has the exchange.
  virtual void OnGone(std::function<void()> gone) = 0;
};

// Called on a thread of the server, and must not block it.
using Handler = std::function<void(Request, std::shared_ptr<Exchange>)>;

class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Handler handler);
  virtual ~Server() = default;  // stops

  // "127.0.0.1:4566", with the port that was picked.
  virtual const std::string& address() const = 0;
  virtual size_t connections() const = 0;

  // Takes no more connections and requests, waits for the answers in progress, closes everything. May be called twice.
  virtual void Stop() = 0;
};

}  // namespace weir::gateway::http
