#include "bench/peers/beanstalkd_protocol.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace weir::bench {
namespace {

constexpr absl::string_view kLineEnd = "\r\n";

}  // namespace

absl::StatusOr<size_t> ParseBeanstalkdReply(absl::string_view data, BeanstalkdReply& reply) {
  using Kind = BeanstalkdReply::Kind;
  const size_t end = data.find(kLineEnd);
  if (end == absl::string_view::npos) return 0;
  const absl::string_view line = data.substr(0, end);
  const size_t used = end + kLineEnd.size();
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  const auto unexpected = [&] {
    return absl::InternalError(absl::StrCat("beanstalkd answered: ", line));
  };
  if (line == "DELETED" || line == "TIMED_OUT") {
    reply.kind = line == "DELETED" ? Kind::kDeleted : Kind::kTimedOut;
    return used;
  }
  if (words.size() == 2 && (words[0] == "USING" || words[0] == "WATCHING")) {
    reply.kind = words[0] == "USING" ? Kind::kUsing : Kind::kWatching;
    return used;
  }
  if (words.size() == 2 && words[0] == "INSERTED" && absl::SimpleAtoi(words[1], &reply.id)) {
    reply.kind = Kind::kInserted;
    return used;
  }
  size_t bytes = 0;
  if (words.size() != 3 || words[0] != "RESERVED" || !absl::SimpleAtoi(words[1], &reply.id) ||
      !absl::SimpleAtoi(words[2], &bytes)) {
    return unexpected();
  }
  if (data.size() - used < bytes + kLineEnd.size()) return 0;
  if (data.substr(used + bytes, kLineEnd.size()) != kLineEnd) return unexpected();
  reply.kind = Kind::kReserved;
  reply.body = std::string(data.substr(used, bytes));
  return used + bytes + kLineEnd.size();
}

}  // namespace weir::bench
