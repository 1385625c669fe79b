#include "services/gateway/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "tests/support/http_client.h"

namespace weir::gateway::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A server whose requests are answered with "METHOD TARGET: BODY", but those to /wait, which a test answers when it likes.
class HttpServerTest : public testing::Test {
 protected:
  void Start(ServerOptions options = {}) {
    auto server = Server::Start(options, [this](Request request, std::shared_ptr<Exchange> exchange) {
      if (request.path() != "/wait") {
        exchange->Answer({.body = absl::StrCat(request.method, " ", request.target, ": ", request.body)});
        return;
      }
      exchange->OnGone([this] {
        MutexLock lock(&mu_);
        ++gone_;
      });
      MutexLock lock(&mu_);
      waiting_.push_back(std::move(exchange));
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void TearDown() override {
    waiting_.clear();
    server_.reset();
  }

  std::shared_ptr<Exchange> TakeWaiting() {
    MutexLock lock(&mu_, [this] { return !waiting_.empty(); });
    auto exchange = std::move(waiting_.front());
    waiting_.pop_front();
    return exchange;
  }
  bool AwaitGone(int count) {
    MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout([&] { return gone_ == count; }, absl::Seconds(30));
  }

  static constexpr absl::string_view kWait = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";

  Mutex mu_;
  std::deque<std::shared_ptr<Exchange>> waiting_;
  int gone_ = 0;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpServerTest, AnswersRequestAfterRequestOnOneConnection) {
  Start();
  HttpConnection client(server_->address());
  EXPECT_EQ(client.Get("/a?b=c").body, "GET /a?b=c: ");
  const HttpAnswer answer = client.Post("/d", {}, "text");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "POST /d: text");
  EXPECT_THAT(answer.headers.at("date"), HasSubstr("GMT"));
  EXPECT_EQ(answer.headers.count("connection"), 0);
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpServerTest, KnowsWhoConnected) {
  Mutex mu;
  std::string seen;
  auto server = Server::Start({}, [&](const Request& request, const std::shared_ptr<Exchange>& exchange) {
    MutexLock lock(&mu);
    seen = request.remote_address;
    exchange->Answer({});
  });
  ASSERT_TRUE(server.ok()) << server.status();
  HttpConnection client((*server)->address());
  EXPECT_EQ(client.Get("/").status, 200);
  MutexLock lock(&mu);
  EXPECT_EQ(seen, "127.0.0.1");
}

TEST_F(HttpServerTest, ClosesWhenTheClientAsksForIt) {
  Start();
  HttpConnection client(server_->address());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.Receive().headers.at("connection"), "close");
  EXPECT_TRUE(client.AwaitEnd());
  HttpConnection old(server_->address());
  old.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Receive().status, 200);
  EXPECT_TRUE(old.AwaitEnd());
}

TEST_F(HttpServerTest, TellsAnOldClientThatTheConnectionStays) {
  Start();
  HttpConnection old(server_->address());
  for (int i = 0; i < 2; ++i) {
    old.Send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(old.Receive().headers["connection"], "keep-alive");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  HttpConnection client(server_->address());
  client.Send(absl::StrCat(kWait, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n"));
  TakeWaiting()->Answer({.body = "first"});
  EXPECT_EQ(client.Receive().body, "first");
  EXPECT_EQ(client.Receive().body, "GET /second: ");
}

TEST_F(HttpServerTest, TakesABodyOnlyWhenItIsToldToGoOn) {
  Start();
  HttpConnection client(server_->address());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 100);
  client.Send("ok");
  EXPECT_EQ(client.Receive().body, "POST /: ok");
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  Start();
  HttpConnection client(server_->address());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.Receive().body, "POST /: abcde");
}

TEST_F(HttpServerTest, RefusesWhatIsTooLarge) {
  Start({.header_bytes_max = 1000, .body_bytes_max = 1000});
  EXPECT_EQ(HttpConnection(server_->address()).Get(absl::StrCat("/", std::string(2000, 'a'))).status, 431);
  HttpConnection client(server_->address());
  EXPECT_EQ(client.Post("/", {}, std::string(1000, 'a')).status, 200);
  const HttpAnswer answer = client.Post("/", {}, std::string(1001, 'a'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "The body of a request has at most 1000 bytes.\n");
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

TEST_F(HttpServerTest, AClientThatSendsTooMuchCanReadWhyItIsRefused) {
  Start({.body_bytes_max = 1000});
  HttpConnection client(server_->address());
  // More than the buffers of both ends hold, so it is sent while the refusal is under way already.
  const HttpAnswer answer = client.Post("/", {}, std::string(size_t{32} << 20, 'a'));
  EXPECT_EQ(answer.status, 413);
  client.Close();
  server_->Stop();
}

TEST_F(HttpServerTest, RefusesBodiesThatAreTooManyTogether) {
  Start({.body_bytes_max = 1000, .body_bytes_together_max = 1500});
  HttpConnection busy(server_->address());
  busy.Send(absl::StrCat("POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", std::string(1000, 'a')));
  const auto exchange = TakeWaiting();
  HttpConnection small(server_->address());
  EXPECT_EQ(small.Post("/", {}, std::string(500, 'a')).status, 200);
  EXPECT_EQ(HttpConnection(server_->address()).Post("/", {}, std::string(501, 'a')).status, 503);
  HttpConnection chunked(server_->address());
  chunked.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.Receive().status, 503);
  exchange->Answer({});
  EXPECT_EQ(busy.Receive().status, 200);
  EXPECT_EQ(HttpConnection(server_->address()).Post("/", {}, std::string(1000, 'a')).status, 200);
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  Start();
  HttpConnection client(server_->address());
  client.Send("hello\r\n\r\n");
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, StartsWith("The request is not HTTP/1.1: "));
}

TEST_F(HttpServerTest, ClosesAConnectionWhoseHeaderOrBodyDoesNotComeInTime) {
  Start({.header_timeout = absl::Milliseconds(50), .transfer_timeout = absl::Milliseconds(50)});
  HttpConnection idle(server_->address());
  EXPECT_TRUE(idle.AwaitEnd());
  HttpConnection slow_header(server_->address());
  slow_header.Send("GET / HT");
  EXPECT_TRUE(slow_header.AwaitEnd());
  HttpConnection slow_body(server_->address());
  slow_body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_TRUE(slow_body.AwaitEnd());
}

TEST_F(HttpServerTest, ARequestThatWaitsForItsAnswerHasNoTimeout) {
  Start({.header_timeout = absl::Milliseconds(20), .transfer_timeout = absl::Milliseconds(20)});
  HttpConnection client(server_->address());
  client.Send(kWait);
  const auto exchange = TakeWaiting();
  // Ten times as long as an idle connection lives.
  EXPECT_EQ(client.Receive(absl::Milliseconds(200)).status, 0);
  exchange->Answer({.body = "late"});
  EXPECT_EQ(client.Receive().body, "late");
}

TEST_F(HttpServerTest, TellsWhenTheClientIsGone) {
  Start();
  std::shared_ptr<Exchange> exchange;
  {
    HttpConnection client(server_->address());
    client.Send(kWait);
    exchange = TakeWaiting();
  }
  EXPECT_TRUE(AwaitGone(1));
  exchange->Answer({.body = "nobody reads it"});
}

TEST_F(HttpServerTest, TellsNothingWhenTheClientGoesAfterTheAnswer) {
  Start();
  {
    HttpConnection client(server_->address());
    client.Get("/");
    client.Send(kWait);
    TakeWaiting()->Answer({.body = "done"});
    EXPECT_EQ(client.Receive().body, "done");
  }
  server_->Stop();
  MutexLock lock(&mu_);
  EXPECT_EQ(gone_, 0);
}

TEST_F(HttpServerTest, AnExchangeDroppedWithoutAnAnswerClosesItsConnection) {
  Start();
  HttpConnection client(server_->address());
  client.Send(kWait);
  TakeWaiting().reset();
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(HttpServerTest, ClosesConnectionsBeyondTheLimitAtOnce) {
  Start({.connections_max = 1});
  HttpConnection first(server_->address());
  EXPECT_EQ(first.Get("/").status, 200);
  EXPECT_TRUE(HttpConnection(server_->address()).AwaitEnd());
  EXPECT_EQ(first.Get("/").status, 200);
}

TEST_F(HttpServerTest, StopsAfterTheRequestsInProgressAreAnswered) {
  Start();
  HttpConnection busy(server_->address());
  HttpConnection idle(server_->address());
  EXPECT_EQ(idle.Get("/").status, 200);
  busy.Send(kWait);
  const auto exchange = TakeWaiting();
  std::thread stopper([this] { server_->Stop(); });
  EXPECT_TRUE(idle.AwaitEnd());
  exchange->Answer({.body = "the last"});
  const HttpAnswer answer = busy.Receive();
  EXPECT_EQ(answer.body, "the last");
  EXPECT_TRUE(busy.AwaitEnd());
  stopper.join();
}

TEST_F(HttpServerTest, GivesUpOnRequestsThatAreNotAnsweredInTime) {
  Start({.drain_timeout = absl::Milliseconds(20)});
  HttpConnection client(server_->address());
  client.Send(kWait);
  const auto exchange = TakeWaiting();
  server_->Stop();
  EXPECT_TRUE(AwaitGone(1));
  EXPECT_TRUE(client.AwaitEnd());
}

TEST_F(HttpServerTest, SaysWhereItCannotListen) {
  Start();
  const auto second = Server::Start({.listen = server_->address()}, [](Request, std::shared_ptr<Exchange>) {});
  EXPECT_THAT(std::string(second.status().message()), StartsWith(absl::StrCat("Cannot listen on ", server_->address())));
}

}  // namespace
}  // namespace weir::gateway::http
