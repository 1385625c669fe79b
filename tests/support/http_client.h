// A blocking HTTP/1.1 client for tests: one connection, and whatever bytes a test wants to send over it.
//
//   HttpConnection client(server.address());
//   client.Send("GET /_weir/health HTTP/1.1\r\nHost: x\r\n\r\n");
//   EXPECT_EQ(client.Receive().status, 200);
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace weir {

struct HttpAnswer {
  int status = 0;  // 0: the connection ended, or nothing came in time
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class HttpConnection {
 public:
  explicit HttpConnection(const std::string& address);  // "127.0.0.1:4566"
  ~HttpConnection() { Close(); }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // False: the other side takes no more.
  bool Send(absl::string_view bytes);
  // The next answer; "100 Continue" counts as one.
  HttpAnswer Receive(absl::Duration limit = absl::Seconds(30));
  // Whether the other side has ended the connection in time, and sent nothing before.
  bool AwaitEnd(absl::Duration limit = absl::Seconds(30));
  void Close();

  HttpAnswer Post(absl::string_view target, const std::map<std::string, std::string>& headers, absl::string_view body);
  HttpAnswer Get(absl::string_view target);

 private:
  // More bytes in `received_`; false at the end of the connection or of the time.
  bool Fill(absl::Time deadline);

  int fd_;
  std::string received_;
};

}  // namespace weir
