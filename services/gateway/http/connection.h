// One client's connection: reads a request, has it handled, writes the answer, and again.
//
//            header and body          Answer             written, keep-alive
//   reading ----------------> handling ------> writing -------------------> reading
//      | too large, not HTTP                      | written, a refusal
//      +-----------------------> writing ---------+----> refusing: what still comes is thrown away, so that the refusal is read
//      any of them: closed, by the client, a timeout, or the end of the server
//
// Everything happens on the thread of its loop. While a request is handled the socket is watched, so that a client that goes away
// is noticed.
#pragma once

#include <utility>  // before Asio, whose 1.74 forgets it

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "services/gateway/http/bounds.h"
#include "services/gateway/http/server.h"

namespace weir::gateway::http {

class Connection;

// What the connections of one loop share.
struct Loop {
  Loop(const ServerOptions& options, const Handler& handler, Budget& connection_budget, Budget& body_budget)
      : options(options), handler(handler), connection_budget(connection_budget), body_budget(body_budget) {}

  const ServerOptions& options;
  const Handler& handler;
  Budget& connection_budget;
  Budget& body_budget;  // bytes
  boost::asio::io_context io{1};
  // Touched on the loop's thread only.
  std::unordered_set<Connection*> connections;
  bool draining = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // One of `loop.connection_budget`, which its Close gives back.
  Connection(boost::asio::ip::tcp::socket socket, Loop& loop);

  void Start();
  // Ends it, now or once the request in progress is answered.
  void Drain();
  void Close();

 private:
  class PendingExchange;
  using Error = boost::system::error_code;
  enum class State { kReading, kHandling, kWriting, kRefusing, kClosed };

  void Read();
  void OnHeader(const Error& error);
  void ReadBody();
  void OnRequest(const Error& error);
  void Handle();
  void Watch();
  void OnReadable(const Error& error);
  void Write(Response response);
  void GiveBackBody();
  void OnWritten(const Error& error);
  void Refuse(int status, const std::string& text);
  void ThrowAway();
  void ExpireAfter(absl::Duration timeout);

  Loop& loop_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  std::function<void()> gone_;
  std::string remote_address_;
  State state_ = State::kReading;
  size_t body_taken_ = 0;  // of the budget, until the request is answered
  unsigned version_ = 11;  // of the request, and so of its answer: 10 or 11
  bool keep_alive_ = true;
  bool refused_ = false;
  bool watching_ = false;
};

}  // namespace weir::gateway::http
