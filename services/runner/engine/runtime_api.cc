#include "services/runner/engine/runtime_api.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <limits>
#include <optional>
#include <set>
#include <utility>  // before Asio, whose 1.74 forgets it

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"

namespace weir::runner::engine {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr size_t kConnectionsMax = 16;
constexpr uint32_t kHeaderBytesMax = 64 << 10;

absl::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

// A body that is read to its end whatever its size, so that the client hears of 413, and kept only
// up to the limit.
struct BoundedBody {
  struct value_type {
    std::string text;
    bool too_large = false;
  };

  class reader {
   public:
    template <bool kIsRequest, class Fields>
    reader(http::header<kIsRequest, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<uint64_t>& length, beast::error_code& error) {
      error = {};
      if (length.has_value() && *length <= kPayloadBytesMax) body_.text.reserve(*length);
    }
    template <class Buffers>
    size_t put(const Buffers& buffers, beast::error_code& error) {
      error = {};
      size_t taken = 0;
      for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers);
           ++at) {
        const asio::const_buffer buffer = *at;
        taken += buffer.size();
        if (body_.text.size() + buffer.size() > kPayloadBytesMax) body_.too_large = true;
        if (body_.too_large) {
          body_.text.clear();
        } else {
          body_.text.append(static_cast<const char*>(buffer.data()), buffer.size());
        }
      }
      return taken;
    }
    void finish(beast::error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

using Request = http::request<BoundedBody>;
using Response = http::response<http::string_body>;

class Server;

// One connection. Kept alive by its running operations, and by the server while it is parked.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::weak_ptr<Server> server)
      : socket_(std::move(socket)), server_(std::move(server)) {}

  void Read() {
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    // No limit here: BoundedBody has one. (Beast 1.74 takes boost::none for zero.)
    parser_->body_limit(std::numeric_limits<uint64_t>::max());
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](const beast::error_code& error, size_t) {
                       self->OnRead(error);
                     });
  }

  void Answer(Response response) {
    response.version(11);
    response.keep_alive(keep_alive_);
    response.prepare_payload();
    response_ = std::move(response);
    http::async_write(socket_, response_,
                      [self = shared_from_this()](const beast::error_code& error, size_t) {
                        if (error || !self->keep_alive_) {
                          self->Close();
                        } else {
                          self->Read();
                        }
                      });
  }

  void Close() {
    beast::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

 private:
  void OnRead(const beast::error_code& error);

  tcp::socket socket_;
  const std::weak_ptr<Server> server_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<BoundedBody>> parser_;
  Response response_;
  bool keep_alive_ = true;
};

Response Json(http::status status, std::string body) {
  Response response;
  response.result(status);
  response.set(http::field::content_type, "application/json");
  response.body() = std::move(body);
  return response;
}

Response Refusal(http::status status, absl::string_view type, absl::string_view message) {
  return Json(status,
              absl::StrCat("{\"errorMessage\":\"", message, "\",\"errorType\":\"", type, "\"}"));
}

class Server : public RuntimeApi, public std::enable_shared_from_this<Server> {
 public:
  Server(asio::io_context& io, RuntimeApiListener& listener)
      : acceptor_(io), listener_(&listener) {}

  absl::Status Listen() {
    beast::error_code error;
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), 0);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(static_cast<int>(kConnectionsMax), error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
      return MakeError(ErrorReason::kInternal,
                       absl::StrCat("The runtime API of a worker cannot listen on 127.0.0.1: ",
                                    error.message(), "."));
    }
    Accept();
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

  void Deliver(RuntimeEvent event) override {
    if (listener_ == nullptr || state_ != State::kParked) return;
    state_ = State::kBusy;
    request_id_ = event.request_id;
    Response response = Json(http::status::ok, std::move(event.payload));
    response.set("Lambda-Runtime-Aws-Request-Id", event.request_id);
    response.set("Lambda-Runtime-Deadline-Ms", std::to_string(event.deadline_unix_millis));
    response.set("Lambda-Runtime-Invoked-Function-Arn", event.function_arn);
    response.set("Lambda-Runtime-Trace-Id", event.trace_id);
    std::exchange(parked_, nullptr)->Answer(std::move(response));
  }

  void Close() override {
    listener_ = nullptr;
    beast::error_code ignored;
    acceptor_.close(ignored);
    parked_ = nullptr;
    for (const std::weak_ptr<Connection>& weak : std::exchange(connections_, {})) {
      if (const std::shared_ptr<Connection> connection = weak.lock()) connection->Close();
    }
  }

  void OnRequest(const std::shared_ptr<Connection>& connection, Request request) {
    if (listener_ == nullptr) {
      connection->Close();
      return;
    }
    absl::string_view path = View(request.target());
    path = path.substr(0, path.find('?'));
    // The path for errors while loading is also known without the version.
    if (!absl::ConsumePrefix(&path, "/2018-06-01/runtime/") &&
        !absl::ConsumePrefix(&path, "/runtime/")) {
      return connection->Answer(NoSuchPath());
    }
    if (path == "invocation/next" && request.method() == http::verb::get) return Next(connection);
    if (request.method() != http::verb::post) return connection->Answer(NoSuchPath());
    if (request.body().too_large) {
      return connection->Answer(Refusal(
          http::status::payload_too_large, "RequestEntityTooLarge",
          absl::StrCat("Exceeded maximum allowed payload size (", kPayloadBytesMax, " bytes).")));
    }
    if (path == "init/error") return InitError(connection, std::move(request));
    if (!absl::ConsumePrefix(&path, "invocation/")) return connection->Answer(NoSuchPath());
    const size_t slash = path.find('/');
    if (slash == absl::string_view::npos) return connection->Answer(NoSuchPath());
    const absl::string_view id = path.substr(0, slash);
    const absl::string_view verb = path.substr(slash + 1);
    if (verb != "response" && verb != "error") return connection->Answer(NoSuchPath());
    if (id != request_id_ || request_id_.empty()) {
      return connection->Answer(
          Refusal(http::status::bad_request, "InvalidRequestID", "Invalid request ID"));
    }
    if (state_ != State::kBusy) {
      return connection->Answer(Refusal(http::status::forbidden, "InvalidStateTransition",
                                        "The invocation has been answered already"));
    }
    state_ = State::kAnswered;
    connection->Answer(Accepted());
    const absl::string_view error_type = View(request["Lambda-Runtime-Function-Error-Type"]);
    if (verb == "error") {
      listener_->OnError(std::move(request.body().text),
                         absl::EqualsIgnoreCase(error_type, "Handled"));
    } else if (!error_type.empty()) {
      // A streamed answer that broke off says so in its trailers.
      listener_->OnError(TrailerError(request, error_type), /*handled=*/false);
    } else {
      listener_->OnResponse(std::move(request.body().text));
    }
  }

 private:
  enum class State { kAnswered, kParked, kBusy };

  static Response NoSuchPath() {
    return Refusal(http::status::not_found, "NotFound", "The runtime API has no such path");
  }
  static Response Accepted() { return Json(http::status::accepted, "{\"status\":\"OK\"}"); }

  static std::string TrailerError(const Request& request, absl::string_view error_type) {
    std::string body;
    if (absl::Base64Unescape(View(request["Lambda-Runtime-Function-Error-Body"]), &body) &&
        absl::StartsWith(body, "{")) {
      return body;
    }
    std::string type;
    for (const char c : error_type) {
      if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_')
        type.push_back(c);
    }
    return absl::StrCat("{\"errorMessage\":\"The streamed answer broke off\",\"errorType\":\"",
                        type, "\"}");
  }

  void Next(const std::shared_ptr<Connection>& connection) {
    switch (state_) {
      case State::kBusy:
        return connection->Answer(Refusal(http::status::forbidden, "InvalidStateTransition",
                                          "The invocation before has not been answered"));
      case State::kParked:
        // A client that has connected anew: its old connection is of no use to it.
        std::exchange(parked_, connection)->Close();
        return;
      case State::kAnswered:
        state_ = State::kParked;
        parked_ = connection;
        listener_->OnNext();
        return;
    }
  }

  void InitError(const std::shared_ptr<Connection>& connection, Request request) {
    if (!request_id_.empty() || state_ != State::kAnswered) {
      return connection->Answer(Refusal(http::status::forbidden, "InvalidStateTransition",
                                        "The function has been loaded already"));
    }
    connection->Answer(Accepted());
    listener_->OnInitError(std::move(request.body().text));
  }

  void Accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const beast::error_code& error, tcp::socket socket) {
          if (self->listener_ == nullptr || error == asio::error::operation_aborted) return;
          if (error) {
            // Out of descriptors, most likely; trying again at once would spin.
            self->retry_.emplace(self->acceptor_.get_executor(), std::chrono::milliseconds(100));
            self->retry_->async_wait([self](const beast::error_code& aborted) {
              if (!aborted && self->listener_ != nullptr) self->Accept();
            });
            return;
          }
          for (auto it = self->connections_.begin(); it != self->connections_.end();) {
            it = it->expired() ? self->connections_.erase(it) : std::next(it);
          }
          if (self->connections_.size() < kConnectionsMax) {
            beast::error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            auto connection = std::make_shared<Connection>(std::move(socket), self);
            self->connections_.insert(connection);
            connection->Read();
          }
          self->Accept();
        });
  }

  tcp::acceptor acceptor_;
  RuntimeApiListener* listener_;  // null: closed
  uint16_t port_ = 0;
  State state_ = State::kAnswered;
  std::string request_id_;  // of the last event; empty: there was none
  std::shared_ptr<Connection> parked_;
  std::set<std::weak_ptr<Connection>, std::owner_less<>> connections_;
  std::optional<asio::steady_timer> retry_;
};

void Connection::OnRead(const beast::error_code& error) {
  const std::shared_ptr<Server> server = server_.lock();
  if (error || server == nullptr) {
    Close();
    return;
  }
  keep_alive_ = parser_->get().keep_alive();
  server->OnRequest(shared_from_this(), parser_->release());
}

}  // namespace

absl::StatusOr<std::shared_ptr<RuntimeApi>> StartRuntimeApi(asio::io_context& io,
                                                            RuntimeApiListener& listener) {
  auto server = std::make_shared<Server>(io, listener);
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return std::shared_ptr<RuntimeApi>(std::move(server));
}

}  // namespace weir::runner::engine
