// Documents of queue policies: what is taken can be decided by, and can be changed and changed back.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/time/time.h"
#include "libs/policy/json.h"
#include "libs/policy/policy.h"

namespace weir::policy {
namespace {

constexpr char kQueue[] = "arn:aws:sqs:eu-west-1:999999999999:orders";

void Require(bool holds, absl::string_view what) {
  if (holds) return;
  std::cerr << "Broken: " << what << std::endl;
  std::abort();
}

Decision Decide(absl::string_view document, const Principal& principal) {
  const absl::StatusOr<Policy> policy = Policy::Parse(document);
  Require(policy.ok(), "what was taken once is taken again");
  AccessRequest request = {.principal = principal, .action = "sqs:SendMessage", .resource = kQueue};
  request.context.Set("aws:SourceIp", "203.0.113.7");
  request.context.Set("aws:UserAgent", "fuzz * ? é");
  request.context.Set("aws:SecureTransport", "false");
  request.context.SetAll("aws:TagKeys", {"a", "b"});
  request.context.SetTime(absl::FromUnixSeconds(1'769'860'800));
  return policy->Decide(request);
}

// Whom a permission was given may send, unless a statement forbids it; and then it is taken away again.
void Change(const std::string& document) {
  const std::string label = "fuzzed-permission";
  const absl::StatusOr<std::string> added =
      AddPermission(document, {.label = label, .queue_arn = kQueue, .accounts = {"111122223333"}, .actions = {"SendMessage"}});
  if (!added.ok()) return;
  Require(CheckPolicy(*added).ok(), "what was changed can be set");
  Require(Decide(*added, Principal::Account("111122223333")) != Decision::kNotAllowed, "a permission counts");
  const Principal other = Principal::Account("444455556666");
  Require(Decide(*added, other) == Decide(document, other), "a permission is nobody else's");
  const absl::StatusOr<std::string> removed = RemovePermission(*added, label);
  Require(removed.ok(), "what was added can be removed");
  Json before = Json::parse(document);
  if (before["Statement"].is_object()) before["Statement"] = Json::array({Json(before["Statement"])});
  Require(Json::parse(*removed) == before, "what was removed leaves no trace");
}

void Try(const std::string& document) {
  const absl::Status taken = CheckPolicy(document);
  if (!taken.ok()) {
    // It goes into an answer.
    const std::string message(taken.message());
    Require(!message.empty() && !Json(message).dump(-1, ' ', false, Json::error_handler_t::strict).empty(), "an error is UTF-8");
    return;
  }
  Decide(document, Principal::Anonymous());
  Decide(document, Principal::Service("sns.amazonaws.com"));
  Change(document);
}

}  // namespace
}  // namespace weir::policy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::policy::Try(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
