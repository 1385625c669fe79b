#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/clock.h"

namespace weir {
namespace {

constexpr size_t kReadBytes = 64 << 10;
// A source is not read while so much of it waits: it feels the other side's pace.
constexpr size_t kWaitingMax = 1 << 20;

absl::Duration Now() { return SystemClock().Monotonic(); }

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// The peer sees a reset, not an orderly end.
void CloseHard(int fd) {
  if (fd < 0) return;
  const linger hard{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  close(fd);
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // fails on a Unix socket, which never waits
}

}  // namespace

struct TcpProxy::Polled {
  std::vector<pollfd> fds;
  absl::Duration until = absl::InfiniteDuration();

  void Add(int fd, short events) {
    if (events != 0) fds.push_back({.fd = fd, .events = events, .revents = 0});
  }
};

absl::StatusOr<std::unique_ptr<TcpProxy>> TcpProxy::Start(std::string target) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof(address);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, SOMAXCONN) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    const int error = errno;
    if (listener >= 0) close(listener);
    return absl::UnavailableError(absl::StrCat("A TCP proxy cannot listen: ", strerror(error)));
  }
  return std::unique_ptr<TcpProxy>(
      new TcpProxy(std::move(target), listener, ntohs(address.sin_port)));
}

TcpProxy::TcpProxy(std::string target, int listener, int port)
    : target_(std::move(target)),
      listener_(listener),
      port_(port),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  WEIR_CHECK(wake_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  close(listener_);
  close(wake_);
}

std::string TcpProxy::address() const { return absl::StrCat("127.0.0.1:", port_); }

void TcpProxy::Wake() {
  const uint64_t one = 1;
  WEIR_CHECK(write(wake_, &one, sizeof(one)) == sizeof(one) || WouldBlock());
}

// ---- Faults ---------------------------------------------------------------------------------------------------------------

void TcpProxy::SetDelay(absl::Duration delay) {
  MutexLock lock(&mu_);
  delay_ = delay;
}

void TcpProxy::Cut() {
  MutexLock lock(&mu_);
  cut_ = true;
  Wake();
  mu_.Await([this] { return !cut_; });
}

void TcpProxy::CutAfterRequests(int count) {
  MutexLock lock(&mu_);
  cut_after_requests_ = count;
}

void TcpProxy::Block(Way way) {
  MutexLock lock(&mu_);
  block_to_target_ = block_to_target_ || way != Way::kToClient;
  block_to_client_ = block_to_client_ || way != Way::kToTarget;
}

void TcpProxy::Heal() {
  MutexLock lock(&mu_);
  block_to_target_ = false;
  block_to_client_ = false;
  delay_ = absl::ZeroDuration();
  Wake();
}

int64_t TcpProxy::cuts() const {
  MutexLock lock(&mu_);
  return cuts_;
}

int64_t TcpProxy::connections() const {
  MutexLock lock(&mu_);
  return static_cast<int64_t>(connections_.size());
}

int64_t TcpProxy::bytes_carried() const {
  MutexLock lock(&mu_);
  return bytes_carried_;
}

// ---- The loop -------------------------------------------------------------------------------------------------------------

void TcpProxy::Run() {
  while (true) {
    Polled polled;
    {
      MutexLock lock(&mu_);
      if (cut_ || stopping_) {
        cuts_ += static_cast<int64_t>(connections_.size());
        for (Connection& connection : connections_) Reset(connection);
        connections_.clear();
        RefuseWaiting();
        cut_ = false;
        if (stopping_) return;
      }
      if (!block_to_target_) Accept();
      for (Connection& connection : connections_) Carry(connection);
      connections_.remove_if([](const Connection& connection) { return connection.dead; });
      Collect(polled);
    }
    int timeout = -1;
    if (polled.until != absl::InfiniteDuration()) {
      const absl::Duration left = std::max(polled.until - Now(), absl::ZeroDuration());
      timeout = static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
    }
    poll(polled.fds.data(), polled.fds.size(), timeout);
    uint64_t wakes = 0;
    WEIR_CHECK(read(wake_, &wakes, sizeof(wakes)) == sizeof(wakes) || WouldBlock());
  }
}

void TcpProxy::RefuseWaiting() {
  for (int fd = 0; (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) CloseHard(fd);
}

void TcpProxy::Accept() {
  for (int fd = 0; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    SendAtOnce(fd);
    const int target = ConnectToTarget();
    if (target < 0) {
      CloseHard(fd);
      continue;
    }
    SendAtOnce(target);
    connections_.push_back({.client = fd, .target = target});
  }
}

// A connection that is still being made takes no bytes yet, and tells its failure when it is used.
int TcpProxy::ConnectToTarget() const {
  const bool local = target_.front() == '/';
  const int fd =
      socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int connected = -1;
  if (local) {
    sockaddr_un address{.sun_family = AF_UNIX};
    WEIR_CHECK(target_.size() < sizeof(address.sun_path), "a Unix socket's path is too long");
    memcpy(address.sun_path, target_.c_str(), target_.size() + 1);
    connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  } else {
    const size_t colon = target_.rfind(':');
    int port = 0;
    WEIR_CHECK(absl::SimpleAtoi(target_.substr(colon + 1), &port), "a target is HOST:PORT");
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port))};
    WEIR_CHECK(inet_pton(AF_INET, target_.substr(0, colon).c_str(), &address.sin_addr) == 1);
    connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  }
  if (connected == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

void TcpProxy::Carry(Connection& connection) {
  bool requests = false;
  bool answers = false;
  const bool whole =
      Read(connection.client, connection.to_target, block_to_target_) &&
      Read(connection.target, connection.to_client, block_to_client_) &&
      Write(connection.target, connection.to_target, block_to_target_, &requests) &&
      Write(connection.client, connection.to_client, block_to_client_, &answers);
  const bool cut = requests && cut_after_requests_ > 0;
  if (cut) {
    --cut_after_requests_;
    ++cuts_;
  }
  if (cut || !whole) {
    Reset(connection);
  } else if (connection.to_target.finished && connection.to_client.finished) {
    close(connection.client);
    close(connection.target);
    connection.dead = true;
  }
}

bool TcpProxy::Read(int from, Half& half, bool blocked) {
  char buffer[kReadBytes];
  while (!blocked && !half.ended && half.waiting_bytes < kWaitingMax) {
    const ssize_t count = recv(from, buffer, sizeof(buffer), 0);
    if (count < 0) return WouldBlock();
    if (count == 0) {
      half.ended = true;
    } else {
      half.waiting.push_back({Now() + delay_, std::string(buffer, static_cast<size_t>(count))});
      half.waiting_bytes += static_cast<size_t>(count);
    }
  }
  return true;
}

bool TcpProxy::Write(int to, Half& half, bool blocked, bool* carried) {
  if (blocked) return true;
  while (!half.waiting.empty() && half.waiting.front().due <= Now()) {
    std::string& bytes = half.waiting.front().bytes;
    const ssize_t count = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return WouldBlock();
    *carried = true;
    bytes_carried_ += count;
    half.waiting_bytes -= static_cast<size_t>(count);
    bytes.erase(0, static_cast<size_t>(count));
    if (bytes.empty()) half.waiting.pop_front();
  }
  if (half.ended && half.waiting.empty() && !half.finished) {
    half.finished = true;
    shutdown(to, SHUT_WR);
  }
  return true;
}

void TcpProxy::Reset(Connection& connection) {
  CloseHard(connection.client);
  CloseHard(connection.target);
  connection.dead = true;
}

void TcpProxy::Collect(Polled& polled) const {
  polled.Add(wake_, POLLIN);
  if (!block_to_target_) polled.Add(listener_, POLLIN);
  for (const Connection& connection : connections_) {
    short client = 0;
    short target = 0;
    CollectHalf(connection.to_target, block_to_target_, &client, &target, polled);
    CollectHalf(connection.to_client, block_to_client_, &target, &client, polled);
    // One that nothing is expected of is left out: poll would tell its end again and again.
    polled.Add(connection.client, client);
    polled.Add(connection.target, target);
  }
}

void TcpProxy::CollectHalf(const Half& half, bool blocked, short* source, short* sink,
                           Polled& polled) const {
  if (blocked) return;
  if (!half.ended && half.waiting_bytes < kWaitingMax) *source |= POLLIN;
  if (half.waiting.empty()) return;
  const absl::Duration due = half.waiting.front().due;
  if (due <= Now()) {
    *sink |= POLLOUT;
  } else {
    polled.until = std::min(polled.until, due);
  }
}

}  // namespace weir
