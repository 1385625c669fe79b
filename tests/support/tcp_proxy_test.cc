// The network that tests put between processes does what it says.
#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/clock.h"

namespace weir {
namespace {

constexpr int kSoonMs = 10'000;   // what must come
constexpr int kNeverMs = 100;     // what must not

// A socket; the end of a connection is a reset or an orderly one.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) { WEIR_CHECK(fd >= 0); }
  Socket(Socket&& other) : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() { Close(); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  int fd() const { return fd_; }

  void Write(const std::string& text) {
    ASSERT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // What comes next: "nothing", "end", "reset" or "got TEXT", TEXT having as many bytes as asked for unless it ends.
  std::string Read(size_t bytes, int wait_ms = kSoonMs) {
    std::string text;
    while (text.size() < bytes) {
      pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, wait_ms) == 0) return text.empty() ? "nothing" : "got " + text;
      char buffer[4096];
      const ssize_t count = recv(fd_, buffer, std::min(bytes - text.size(), sizeof(buffer)), 0);
      if (count < 0) return errno == ECONNRESET ? "reset" : absl::StrCat("errno ", errno);
      if (count == 0) return text.empty() ? "end" : "got " + text;
      text.append(buffer, static_cast<size_t>(count));
    }
    return "got " + text;
  }

 private:
  int fd_;
};

// The target, which the tests accept connections of.
class Target {
 public:
  Target() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    WEIR_CHECK(bind(listener_.fd(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    WEIR_CHECK(listen(listener_.fd(), 16) == 0);
    WEIR_CHECK(getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  const std::string& address() const { return address_; }
  Socket Accept() { return Socket(accept(listener_.fd(), nullptr, nullptr)); }
  void Stop() { listener_.Close(); }

 private:
  Socket listener_;
  std::string address_;
};

Socket ConnectTo(const TcpProxy& proxy) {
  Socket client(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{.sin_family = AF_INET,
                      .sin_port = htons(static_cast<uint16_t>(proxy.port())),
                      .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  WEIR_CHECK(connect(client.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return client;
}

class TcpProxyTest : public testing::Test {
 protected:
  Target target_;
  std::unique_ptr<TcpProxy> proxy_ = *TcpProxy::Start(target_.address());
};

TEST_F(TcpProxyTest, CarriesBytesBothWaysAndTheEndOfEach) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  client.Write("question");
  EXPECT_EQ(server.Read(8), "got question");
  shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(server.Read(1), "end");
  server.Write("answer");
  EXPECT_EQ(client.Read(6), "got answer");
  server.Close();
  EXPECT_EQ(client.Read(1), "end");
  EXPECT_EQ(proxy_->bytes_carried(), 14);
  EXPECT_EQ(proxy_->cuts(), 0);
}

TEST_F(TcpProxyTest, CarriesMoreThanItHolds) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  const std::string much(32 << 20, 'x');
  std::thread writer([&] { client.Write(much); });
  EXPECT_EQ(server.Read(much.size()), "got " + much);
  writer.join();
}

TEST_F(TcpProxyTest, ACutResetsBothSidesAndLaterConnectionsWork) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  client.Write("a");
  ASSERT_EQ(server.Read(1), "got a");
  proxy_->Cut();
  EXPECT_EQ(client.Read(1), "reset");
  EXPECT_EQ(server.Read(1), "reset");
  EXPECT_EQ(proxy_->cuts(), 1);
  Socket again = ConnectTo(*proxy_);
  Socket server_again = target_.Accept();
  again.Write("b");
  EXPECT_EQ(server_again.Read(1), "got b");
}

TEST_F(TcpProxyTest, ACutAfterARequestLosesTheAnswerOnly) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  proxy_->CutAfterRequests(1);
  client.Write("commit");
  EXPECT_EQ(server.Read(6), "got commit");
  EXPECT_EQ(client.Read(1), "reset");
  EXPECT_EQ(server.Read(1), "reset");
  Socket again = ConnectTo(*proxy_);
  Socket server_again = target_.Accept();
  again.Write("b");
  EXPECT_EQ(server_again.Read(1), "got b");
  server_again.Write("c");
  EXPECT_EQ(again.Read(1), "got c");
}

TEST_F(TcpProxyTest, WhatIsSentIntoAPartitionArrivesWhenItEnds) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  proxy_->Block(TcpProxy::Way::kBoth);
  client.Write("a");
  server.Write("b");
  EXPECT_EQ(server.Read(1, kNeverMs), "nothing");
  EXPECT_EQ(client.Read(1, kNeverMs), "nothing");
  proxy_->Heal();
  EXPECT_EQ(server.Read(1), "got a");
  EXPECT_EQ(client.Read(1), "got b");
}

TEST_F(TcpProxyTest, APartitionHidesTheEndOfAnotherSide) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  proxy_->Block(TcpProxy::Way::kBoth);
  server.Close();
  EXPECT_EQ(client.Read(1, kNeverMs), "nothing");
  proxy_->Heal();
  EXPECT_EQ(client.Read(1), "end");
}

TEST_F(TcpProxyTest, ACutInAPartitionLosesWhatWasSentIntoIt) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  proxy_->Block(TcpProxy::Way::kToTarget);
  client.Write("a");
  proxy_->Cut();
  proxy_->Heal();
  EXPECT_EQ(server.Read(1), "reset");
}

TEST_F(TcpProxyTest, OneWayMayBeBlockedAlone) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  proxy_->Block(TcpProxy::Way::kToClient);
  client.Write("a");
  EXPECT_EQ(server.Read(1), "got a");
  server.Write("b");
  EXPECT_EQ(client.Read(1, kNeverMs), "nothing");
  proxy_->Heal();
  EXPECT_EQ(client.Read(1), "got b");
  proxy_->Block(TcpProxy::Way::kToTarget);
  server.Write("c");
  EXPECT_EQ(client.Read(1), "got c");
  client.Write("d");
  EXPECT_EQ(server.Read(1, kNeverMs), "nothing");
}

TEST_F(TcpProxyTest, AConnectionMadeInAPartitionWorksWhenItEnds) {
  proxy_->Block(TcpProxy::Way::kBoth);
  Socket client = ConnectTo(*proxy_);
  client.Write("a");
  proxy_->Heal();
  Socket server = target_.Accept();
  EXPECT_EQ(server.Read(1), "got a");
}

TEST_F(TcpProxyTest, ACutReachesConnectionsMadeInAPartition) {
  proxy_->Block(TcpProxy::Way::kToTarget);
  Socket client = ConnectTo(*proxy_);
  proxy_->Cut();
  EXPECT_EQ(client.Read(1), "reset");
}

TEST_F(TcpProxyTest, ADelayHoldsEachWay) {
  Socket client = ConnectTo(*proxy_);
  Socket server = target_.Accept();
  constexpr absl::Duration kDelay = absl::Milliseconds(60);
  proxy_->SetDelay(kDelay);
  const absl::Duration start = SystemClock().Monotonic();
  client.Write("a");
  EXPECT_EQ(server.Read(1), "got a");
  EXPECT_GE(SystemClock().Monotonic() - start, kDelay);
  server.Write("b");
  EXPECT_EQ(client.Read(1), "got b");
  EXPECT_GE(SystemClock().Monotonic() - start, 2 * kDelay);
}

TEST_F(TcpProxyTest, WithoutATargetConnectionsAreReset) {
  target_.Stop();
  Socket client = ConnectTo(*proxy_);
  EXPECT_EQ(client.Read(1), "reset");
}

TEST(TcpProxyUnixTest, ATargetMayBeAUnixSocket) {
  const std::string path = absl::StrCat(testing::TempDir(), "/proxy-", getpid());
  Socket listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(bind(listener.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.fd(), 1), 0);
  const auto proxy = *TcpProxy::Start(path);
  Socket client = ConnectTo(*proxy);
  Socket server(accept(listener.fd(), nullptr, nullptr));
  client.Write("a");
  EXPECT_EQ(server.Read(1), "got a");
  proxy->Cut();
  EXPECT_EQ(client.Read(1), "reset");
  EXPECT_EQ(server.Read(1), "end");  // Unix sockets know no reset
  unlink(path.c_str());
}

}  // namespace
}  // namespace weir
