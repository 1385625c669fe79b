// beanstalkd: its text protocol over a blocking socket a cycler. With a batch, so many commands are
// written before the first answer is read.
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/blocking_cycle.h"
#include "bench/peers/address.h"
#include "bench/peers/beanstalkd_protocol.h"
#include "bench/peers/peers.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

using Kind = BeanstalkdReply::Kind;

constexpr int kTimeToRunSeconds = 600;

absl::Status SystemError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("beanstalkd: ", what, ": ", strerror(errno)));
}

class Client : public BlockingClient {
 public:
  static absl::StatusOr<std::unique_ptr<BlockingClient>> Connect(const Address& address,
                                                                 const std::string& tube) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error =
        getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
    if (error != 0) return absl::UnavailableError(gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto client = std::make_unique<Client>(fd);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
      return SystemError("connect");
    }
    const int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
      return SystemError("TCP_NODELAY");
    }
    WEIR_RETURN_IF_ERROR(
        client->Write(absl::StrCat("use ", tube, "\r\nwatch ", tube, "\r\nignore default\r\n")));
    WEIR_RETURN_IF_ERROR(client->Await(Kind::kUsing));
    WEIR_RETURN_IF_ERROR(client->Await(Kind::kWatching));
    WEIR_RETURN_IF_ERROR(client->Await(Kind::kWatching));
    return client;
  }

  explicit Client(int fd) : fd_(fd) {}
  ~Client() override {
    if (fd_ >= 0) close(fd_);
  }

  absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) override {
    commands_.clear();
    for (const std::string& body : bodies) {
      absl::StrAppend(&commands_, "put 0 0 ", kTimeToRunSeconds, " ", body.size(), "\r\n", body,
                      "\r\n");
    }
    WEIR_RETURN_IF_ERROR(Write(commands_));
    for (size_t i = 0; i < bodies.size(); ++i) {
      WEIR_RETURN_IF_ERROR(Await(Kind::kInserted));
      ids.push_back(reply_.id);
    }
    return absl::OkStatus();
  }

  absl::Status Receive(int max, std::vector<ReceivedMessage>& received) override {
    commands_ = "reserve-with-timeout 1\r\n";  // the least that is not 0
    for (int i = 1; i < max; ++i) absl::StrAppend(&commands_, "reserve-with-timeout 0\r\n");
    WEIR_RETURN_IF_ERROR(Write(commands_));
    reserved_.clear();
    for (int i = 0; i < max; ++i) {
      WEIR_RETURN_IF_ERROR(Read());
      if (reply_.kind == Kind::kTimedOut) continue;
      if (reply_.kind != Kind::kReserved) return WrongKind();
      reserved_.push_back(reply_);
    }
    for (const BeanstalkdReply& job : reserved_) {
      received.push_back({.body = job.body, .id = job.id});
    }
    return absl::OkStatus();
  }

  absl::Status DeleteReceived() override {
    commands_.clear();
    for (const BeanstalkdReply& job : reserved_) {
      absl::StrAppend(&commands_, "delete ", job.id, "\r\n");
    }
    WEIR_RETURN_IF_ERROR(Write(commands_));
    for (size_t i = 0; i < reserved_.size(); ++i) WEIR_RETURN_IF_ERROR(Await(Kind::kDeleted));
    return absl::OkStatus();
  }

 private:
  absl::Status Write(absl::string_view data) {
    while (!data.empty()) {
      const ssize_t written = send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return SystemError("send");
      data.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  // The next reply, into reply_.
  absl::Status Read() {
    while (true) {
      WEIR_ASSIGN_OR_RETURN(const size_t used,
                            ParseBeanstalkdReply(absl::string_view(unread_).substr(at_), reply_));
      at_ += used;
      if (used > 0) return absl::OkStatus();
      unread_.erase(0, at_);
      at_ = 0;
      char buffer[16384];
      const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemError("recv");
      if (got == 0) return absl::UnavailableError("beanstalkd closed the connection.");
      unread_.append(buffer, static_cast<size_t>(got));
    }
  }

  absl::Status Await(Kind kind) {
    WEIR_RETURN_IF_ERROR(Read());
    return reply_.kind == kind ? absl::OkStatus() : WrongKind();
  }

  absl::Status WrongKind() const {
    return absl::InternalError(absl::StrCat("beanstalkd answered a reply of kind ",
                                            static_cast<int>(reply_.kind),
                                            ", which this command does not have."));
  }

  const int fd_;
  std::string commands_;
  std::string unread_;
  size_t at_ = 0;  // where the next reply begins in it
  BeanstalkdReply reply_;
  std::vector<BeanstalkdReply> reserved_;
};

}  // namespace

absl::StatusOr<Report> RunBeanstalkd(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const Address address, ParseAddress(options.target));
  const std::string tube = absl::StrCat("weir-bench-", RandomToken(4));
  return RunBlockingCycles("beanstalkd", options, cpu,
                           [&](int) { return Client::Connect(address, tube); });
}

}  // namespace weir::bench
