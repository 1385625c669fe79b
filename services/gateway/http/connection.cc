#include "services/gateway/http/connection.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace weir::gateway::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;
using tcp = asio::ip::tcp;

// How long what a refused client still sends is thrown away.
constexpr absl::Duration kRefusalTimeout = absl::Seconds(10);
constexpr size_t kThrownAwayBytes = size_t{16} << 10;

std::string Text(beast::string_view text) { return {text.data(), text.size()}; }

Request ToRequest(bhttp::request<bhttp::string_body> message) {
  Request request{.method = Text(message.method_string()), .target = Text(message.target())};
  for (const auto& field : message) {
    request.headers.emplace_back(Text(field.name_string()), Text(field.value()));
  }
  request.body = std::move(message.body());
  return request;
}

std::string HttpDate() {
  return absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone());
}

}  // namespace

class Connection::PendingExchange final : public Exchange {
 public:
  explicit PendingExchange(std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)) {}

  ~PendingExchange() override {
    if (connection_ == nullptr) return;
    auto& io = connection_->loop_.io;
    asio::post(io, [connection = std::move(connection_)] { connection->Close(); });
  }

  void Answer(Response response) override {
    auto& io = connection_->loop_.io;
    asio::post(io, [connection = std::move(connection_), response = std::move(response)]() mutable {
      connection->Write(std::move(response));
    });
  }

  void OnGone(std::function<void()> gone) override { connection_->gone_ = std::move(gone); }

 private:
  std::shared_ptr<Connection> connection_;  // null: answered
};

Connection::Connection(tcp::socket socket, Loop& loop) : loop_(loop), stream_(std::move(socket)) {}

void Connection::Start() {
  loop_.connections.insert(this);
  beast::error_code ignored;
  stream_.socket().set_option(tcp::no_delay(true), ignored);
  beast::error_code gone;
  const tcp::endpoint remote = stream_.socket().remote_endpoint(gone);
  if (!gone) remote_address_ = remote.address().to_string();
  Read();
}

void Connection::Drain() {
  keep_alive_ = false;
  if (state_ == State::kReading || state_ == State::kRefusing) Close();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const State before = std::exchange(state_, State::kClosed);
  loop_.connections.erase(this);
  GiveBackBody();
  loop_.connection_budget.GiveBack(1);
  beast::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
  stream_.close();
  const auto gone = std::exchange(gone_, nullptr);
  if (before == State::kHandling && gone != nullptr) gone();
}

void Connection::ExpireAfter(absl::Duration timeout) {
  stream_.expires_after(absl::ToChronoNanoseconds(timeout));
}

void Connection::Read() {
  if (loop_.draining) return Close();
  state_ = State::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(loop_.options.header_bytes_max));
  parser_->body_limit(loop_.options.body_bytes_max);
  ExpireAfter(loop_.options.header_timeout);
  bhttp::async_read_header(stream_, buffer_, *parser_,
                           [self = shared_from_this()](const Error& error, size_t) {
                             self->OnHeader(error);
                           });
}

void Connection::OnHeader(const Error& error) {
  if (state_ == State::kClosed) return;
  if (error) return OnRequest(error);
  // How long a body in chunks will be is not known.
  const auto length = parser_->content_length();
  const size_t body_bytes = parser_->chunked() ? loop_.options.body_bytes_max : length.value_or(0);
  if (!loop_.body_budget.TryTake(body_bytes)) {
    return Refuse(503, "Too many large requests are being handled; try again.");
  }
  body_taken_ = body_bytes;
  ExpireAfter(loop_.options.transfer_timeout);
  if (!beast::iequals(parser_->get()[bhttp::field::expect], "100-continue")) return ReadBody();
  static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue, sizeof(kContinue) - 1),
                    [self = shared_from_this()](const Error& failed, size_t) {
                      failed ? self->Close() : self->ReadBody();
                    });
}

void Connection::ReadBody() {
  if (state_ == State::kClosed) return;
  bhttp::async_read(stream_, buffer_, *parser_,
                    [self = shared_from_this()](const Error& error, size_t) { self->OnRequest(error); });
}

void Connection::OnRequest(const Error& error) {
  if (state_ == State::kClosed) return;
  if (!error) return Handle();
  if (error == bhttp::error::header_limit) return Refuse(431, "The header of the request is too large.");
  if (error == bhttp::error::body_limit) {
    return Refuse(413, absl::StrCat("The body of a request has at most ", loop_.options.body_bytes_max, " bytes."));
  }
  const bool malformed = error.category() == bhttp::make_error_code(bhttp::error::bad_method).category() &&
                         error != bhttp::error::end_of_stream && error != bhttp::error::partial_message;
  if (malformed) return Refuse(400, absl::StrCat("The request is not HTTP/1.1: ", error.message(), "."));
  Close();
}

void Connection::Handle() {
  state_ = State::kHandling;
  version_ = parser_->get().version();
  keep_alive_ = parser_->get().keep_alive() && !loop_.draining;
  stream_.expires_never();
  Request request = ToRequest(parser_->release());
  request.remote_address = remote_address_;
  parser_.reset();
  Watch();
  loop_.handler(std::move(request), std::make_shared<PendingExchange>(shared_from_this()));
}

void Connection::Watch() {
  if (std::exchange(watching_, true)) return;
  stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this()](const Error& error) {
    self->OnReadable(error);
  });
}

void Connection::OnReadable(const Error& error) {
  watching_ = false;
  // In the other states whoever reads or writes notices by itself.
  if (error || state_ != State::kHandling) return;
  char next;
  const ssize_t peeked = recv(stream_.socket().native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
  if (peeked > 0) return;  // The next request is here already, so the client waits for its answers.
  if (peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Watch();
  Close();
}

void Connection::Write(Response response) {
  if (state_ == State::kClosed) return;
  state_ = State::kWriting;
  gone_ = nullptr;
  GiveBackBody();
  response_ = {};
  response_.version(version_);
  response_.result(static_cast<unsigned>(response.status));
  for (const auto& [name, value] : response.headers) response_.set(name, value);
  response_.set(bhttp::field::date, HttpDate());
  response_.keep_alive(keep_alive_);
  response_.body() = std::move(response.body);
  response_.prepare_payload();
  ExpireAfter(loop_.options.transfer_timeout);
  bhttp::async_write(stream_, response_,
                     [self = shared_from_this()](const Error& error, size_t) { self->OnWritten(error); });
}

void Connection::GiveBackBody() { loop_.body_budget.GiveBack(std::exchange(body_taken_, 0)); }

void Connection::OnWritten(const Error& error) {
  if (state_ == State::kClosed) return;
  response_ = {};
  if (!error && keep_alive_) return Read();
  if (error || !refused_) return Close();
  // Closed with bytes unread, a connection is reset, and the client would not see why.
  state_ = State::kRefusing;
  beast::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  ExpireAfter(kRefusalTimeout);
  ThrowAway();
}

void Connection::ThrowAway() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(kThrownAwayBytes), [self = shared_from_this()](const Error& error, size_t) {
    if (self->state_ == State::kClosed) return;
    error ? self->Close() : self->ThrowAway();
  });
}

void Connection::Refuse(int status, const std::string& text) {
  // What else the client sends is not read, so the connection cannot go on.
  keep_alive_ = false;
  refused_ = true;
  Write({.status = status, .headers = {{"Content-Type", "text/plain"}}, .body = text + "\n"});
}

}  // namespace weir::gateway::http
