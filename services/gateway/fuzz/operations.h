// What fuzzed requests are read by: the inputs of SQS's operations. A fuzz input's first line names the operation, the rest is the body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/gateway/sqs/shapes.h"
#include "services/gateway/wire/json_protocol.h"

namespace weir::gateway::fuzz {

namespace shapes = sqs::shapes;

inline constexpr std::pair<absl::string_view, const wire::Shape*> kOperations[] = {
    {"CreateQueue", &shapes::kCreateQueueInput},
    {"GetQueueUrl", &shapes::kGetQueueUrlInput},
    {"ListQueues", &shapes::kListQueuesInput},
    {"GetQueueAttributes", &shapes::kGetAttributesInput},
    {"SetQueueAttributes", &shapes::kSetAttributesInput},
    {"TagQueue", &shapes::kTagQueueInput},
    {"UntagQueue", &shapes::kUntagQueueInput},
    {"AddPermission", &shapes::kAddPermissionInput},
    {"SendMessage", &shapes::kSendMessageInput},
    {"SendMessageBatch", &shapes::kSendBatchInput},
    {"ReceiveMessage", &shapes::kReceiveInput},
    {"DeleteMessageBatch", &shapes::kDeleteBatchInput},
    {"ChangeMessageVisibilityBatch", &shapes::kChangeBatchInput},
    {"StartMessageMoveTask", &shapes::kStartMoveInput},
};

struct FuzzedRequest {
  const wire::Shape* input;
  absl::string_view body;
};

inline FuzzedRequest RequestOf(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  const absl::string_view name = text.substr(0, end);
  const absl::string_view body = end == absl::string_view::npos ? absl::string_view() : text.substr(end + 1);
  for (const auto& [operation, input] : kOperations) {
    if (operation == name) return {input, body};
  }
  return {kOperations[name.size() % std::size(kOperations)].second, body};
}

inline void Require(bool holds, absl::string_view what) {
  if (holds) return;
  std::cerr << "Broken: " << what << std::endl;
  std::abort();
}

// What was read can be written as JSON, and reads as the same again; an error can be told to a client of JSON.
inline void RequireReadable(const wire::Outcome& outcome, const wire::Shape& input) {
  if (const auto* error = std::get_if<wire::AwsError>(&outcome)) {
    Require(std::holds_alternative<wire::Value>(wire::ParseJsonInput(wire::FormatJsonError(*error, "fuzz"), shapes::kId)),
            "an error is written as JSON");
    return;
  }
  const std::string written = wire::FormatJsonAnswer(input, std::get<wire::Value>(outcome));
  const wire::Outcome again = wire::ParseJsonInput(written, input);
  Require(std::holds_alternative<wire::Value>(again), "what was written can be read");
  const std::string written_again = wire::FormatJsonAnswer(input, std::get<wire::Value>(again));
  // The order of a map's keys is nobody's concern.
  Require(nlohmann::json::parse(written_again) == nlohmann::json::parse(written),
          absl::StrCat("what was read is what was written: ", written, "\n", written_again));
}

}  // namespace weir::gateway::fuzz
