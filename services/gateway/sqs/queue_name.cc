#include "services/gateway/sqs/queue_name.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/account.h"
#include "services/gateway/wire/credential.h"

namespace weir::gateway::sqs {
void SetQueueByName(const Call& call, absl::string_view name, absl::string_view account, queue::v1::QueueRef& queue) {
  queue.mutable_namespace_()->set_region(call.context.region);
  queue.mutable_namespace_()->set_account(account.empty() ? call.context.account : std::string(account));
  queue.set_name(std::string(name));
}

void SetQueue(const Call& call, absl::string_view url, queue::v1::QueueRef& queue) {
  const std::vector<absl::string_view> parts = absl::StrSplit(url, '/', absl::SkipEmpty());
  const absl::string_view name = parts.empty() ? "" : parts.back();
  const absl::string_view account = parts.size() > 1 ? parts[parts.size() - 2] : "";
  SetQueueByName(call, name, IsAccount(account) ? account : "", queue);
}

void SetQueue(const Call& call, queue::v1::QueueRef& queue) { SetQueue(call, call.input["QueueUrl"].text(), queue); }

bool SetQueueByArn(absl::string_view arn, queue::v1::QueueRef& queue) {
  const std::vector<std::string> parts = absl::StrSplit(arn, ':');
  if (parts.size() != 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "sqs") return false;
  queue.mutable_namespace_()->set_region(parts[3]);
  queue.mutable_namespace_()->set_account(parts[4]);
  queue.set_name(parts[5]);
  return !parts[3].empty() && !parts[4].empty() && !parts[5].empty();
}

std::string QueueUrl(const Call& call, const queue::v1::Queue& queue) {
  return absl::StrCat(call.context.base_url, "/", queue.namespace_().account(), "/", queue.name());
}

}  // namespace weir::gateway::sqs
