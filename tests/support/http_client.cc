#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"

namespace weir {

HttpConnection::HttpConnection(const std::string& address)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const size_t colon = address.rfind(':');
  int port = 0;
  WEIR_CHECK(absl::SimpleAtoi(address.substr(colon + 1), &port), address);
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  WEIR_CHECK(connect(fd_, reinterpret_cast<sockaddr*>(&peer), sizeof(peer)) == 0, address);
}

bool HttpConnection::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool HttpConnection::Fill(absl::Time deadline) {
  pollfd event{.fd = fd_, .events = POLLIN, .revents = 0};
  const int64_t millis = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
  if (poll(&event, 1, static_cast<int>(millis)) <= 0) return false;
  char bytes[65536];
  const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  received_.append(bytes, static_cast<size_t>(count));
  return true;
}

HttpAnswer HttpConnection::Receive(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill(deadline)) return {};
  }
  const std::vector<std::string> lines = absl::StrSplit(received_.substr(0, end), "\r\n");
  received_.erase(0, end + 4);
  HttpAnswer answer;
  if (!absl::SimpleAtoi(lines[0].substr(9, 3), &answer.status)) return {};
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> parts = absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
    answer.headers[absl::AsciiStrToLower(parts[0])] = parts.size() > 1 ? parts[1] : "";
  }
  size_t length = 0;
  if (answer.headers.count("content-length") > 0) {
    WEIR_CHECK(absl::SimpleAtoi(answer.headers["content-length"], &length), lines[0]);
  }
  while (received_.size() < length) {
    if (!Fill(deadline)) return {};
  }
  answer.body = received_.substr(0, length);
  received_.erase(0, length);
  return answer;
}

bool HttpConnection::AwaitEnd(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  while (Fill(deadline)) {
  }
  return received_.empty() && absl::Now() < deadline;
}

void HttpConnection::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

HttpAnswer HttpConnection::Post(absl::string_view target, const std::map<std::string, std::string>& headers,
                                absl::string_view body) {
  std::string text = absl::StrCat("POST ", target, " HTTP/1.1\r\n");
  if (headers.count("Host") == 0) absl::StrAppend(&text, "Host: localhost:4566\r\n");
  for (const auto& [name, value] : headers) absl::StrAppend(&text, name, ": ", value, "\r\n");
  absl::StrAppend(&text, "Content-Length: ", body.size(), "\r\n\r\n", body);
  if (!Send(text)) return {};
  return Receive();
}

HttpAnswer HttpConnection::Get(absl::string_view target) {
  if (!Send(absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: localhost:4566\r\n\r\n"))) return {};
  return Receive();
}

}  // namespace weir
