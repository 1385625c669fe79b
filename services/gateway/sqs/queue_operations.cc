#include "services/gateway/sqs/queue_operations.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "services/gateway/sqs/errors.h"
#include "services/gateway/sqs/queue_attributes.h"
#include "services/gateway/sqs/queue_name.h"

namespace weir::gateway::sqs {
namespace {

using wire::Value;

constexpr int kPageMax = 1000;

// Pages as SQS has them: without MaxResults there is one of 1,000 and no token for another.
template <typename Request>
MaybeError EncodePage(const Call& call, Request& request) {
  const auto max_results = call.input.Number("MaxResults");
  if (max_results.has_value() && (*max_results < 1 || *max_results > kPageMax)) {
    return InvalidParameter(call.input["MaxResults"].Shown(), "MaxResults", AllowedFor("MaxResults"));
  }
  request.set_page_size(static_cast<int32_t>(max_results.value_or(kPageMax)));
  request.set_page_token(call.input["NextToken"].text());
  return std::nullopt;
}

template <typename Response>
void DecodeNextToken(const Call& call, const Response& response, Value& out) {
  if (!call.input["MaxResults"].absent()) out.SetText("NextToken", response.next_page_token());
}

Value UrlsOf(const Call& call, const google::protobuf::RepeatedPtrField<queue::v1::Queue>& queues) {
  Value::List urls;
  for (const queue::v1::Queue& queue : queues) urls.push_back(Value(QueueUrl(call, queue)));
  return Value(std::move(urls));
}

template <typename Request>
MaybeError EncodeOnlyQueue(const Call& call, Request& request) {
  SetQueue(call, *request.mutable_queue());
  return std::nullopt;
}

template <typename ProtoMap>
MaybeError EncodeTags(absl::string_view parameter, const Value& tags, ProtoMap& out) {
  for (const auto& [key, value] : tags.fields()) {
    if (absl::StartsWithIgnoreCase(key, "aws:")) {
      return InvalidParameter(key, parameter, "Tag keys that begin with aws: are reserved.");
    }
    out[key] = value.text();
  }
  return std::nullopt;
}

}  // namespace

MaybeError EncodeCreateQueue(const Call& call, queue::v1::CreateQueueRequest& request) {
  SetQueueByName(call, call.input["QueueName"].text(), "", *request.mutable_queue());
  if (MaybeError error = EncodeTags("tags", call.input["tags"], *request.mutable_tags())) return error;
  return EncodeAttributes(call, call.input["Attributes"], *request.mutable_attributes());
}

Value DecodeCreateQueue(const Call& call, const queue::v1::CreateQueueResponse& response) {
  Value out;
  out.Set("QueueUrl", Value(QueueUrl(call, response.queue())));
  return out;
}

MaybeError EncodeDeleteQueue(const Call& call, queue::v1::DeleteQueueRequest& request) {
  return EncodeOnlyQueue(call, request);
}
Value DecodeDeleteQueue(const Call&, const queue::v1::DeleteQueueResponse&) { return Value(); }

MaybeError EncodeGetQueueUrl(const Call& call, queue::v1::GetQueueRequest& request) {
  SetQueueByName(call, call.input["QueueName"].text(), call.input["QueueOwnerAWSAccountId"].text(),
                 *request.mutable_queue());
  return std::nullopt;
}
Value DecodeGetQueueUrl(const Call& call, const queue::v1::GetQueueResponse& response) {
  Value out;
  out.Set("QueueUrl", Value(QueueUrl(call, response.queue())));
  return out;
}

MaybeError EncodeListQueues(const Call& call, queue::v1::ListQueuesRequest& request) {
  request.mutable_namespace_()->set_account(call.context.account);
  request.mutable_namespace_()->set_region(call.context.region);
  request.set_name_prefix(call.input["QueueNamePrefix"].text());
  return EncodePage(call, request);
}
Value DecodeListQueues(const Call& call, const queue::v1::ListQueuesResponse& response) {
  Value out{Value::Fields()};
  if (response.queues_size() > 0) out.Set("QueueUrls", UrlsOf(call, response.queues()));
  DecodeNextToken(call, response, out);
  return out;
}

MaybeError EncodeGetQueueAttributes(const Call& call, queue::v1::GetQueueRequest& request) {
  SetQueue(call, *request.mutable_queue());
  return CheckAttributeNames(call, call.input["AttributeNames"]);
}
Value DecodeGetQueueAttributes(const Call& call, const queue::v1::GetQueueResponse& response) {
  Value out{Value::Fields()};
  Value attributes = DecodeAttributes(response.queue(), call.input["AttributeNames"]);
  if (!attributes.absent()) out.Set("Attributes", std::move(attributes));
  return out;
}

MaybeError EncodeSetQueueAttributes(const Call& call, queue::v1::UpdateQueueRequest& request) {
  SetQueue(call, *request.mutable_queue());
  return EncodeAttributes(call, call.input["Attributes"], *request.mutable_attributes());
}
Value DecodeSetQueueAttributes(const Call&, const queue::v1::UpdateQueueResponse&) { return Value(); }

MaybeError EncodePurgeQueue(const Call& call, queue::v1::PurgeQueueRequest& request) {
  return EncodeOnlyQueue(call, request);
}
Value DecodePurgeQueue(const Call&, const queue::v1::PurgeQueueResponse&) { return Value(); }

MaybeError EncodeListDeadLetterSourceQueues(const Call& call, queue::v1::ListDeadLetterSourceQueuesRequest& request) {
  SetQueue(call, *request.mutable_queue());
  return EncodePage(call, request);
}
Value DecodeListDeadLetterSourceQueues(const Call& call,
                                       const queue::v1::ListDeadLetterSourceQueuesResponse& response) {
  Value out;
  out.Set("queueUrls", UrlsOf(call, response.queues()));
  DecodeNextToken(call, response, out);
  return out;
}

MaybeError EncodeTagQueue(const Call& call, queue::v1::TagQueueRequest& request) {
  SetQueue(call, *request.mutable_queue());
  return EncodeTags("Tags", call.input["Tags"], *request.mutable_tags());
}
Value DecodeTagQueue(const Call&, const queue::v1::TagQueueResponse&) { return Value(); }

MaybeError EncodeUntagQueue(const Call& call, queue::v1::UntagQueueRequest& request) {
  SetQueue(call, *request.mutable_queue());
  for (const Value& key : call.input["TagKeys"].list()) request.add_tag_keys(key.text());
  return std::nullopt;
}
Value DecodeUntagQueue(const Call&, const queue::v1::UntagQueueResponse&) { return Value(); }

MaybeError EncodeListQueueTags(const Call& call, queue::v1::GetQueueRequest& request) {
  return EncodeOnlyQueue(call, request);
}
Value DecodeListQueueTags(const Call&, const queue::v1::GetQueueResponse& response) {
  Value out{Value::Fields()};
  // A map of protobuf has no order; answers have one.
  const std::map<std::string, std::string> sorted(response.queue().tags().begin(), response.queue().tags().end());
  Value tags;
  for (const auto& [key, value] : sorted) tags.Set(key, Value(value));
  if (!tags.absent()) out.Set("Tags", std::move(tags));
  return out;
}

MaybeError EncodeAddPermission(const Call& call, queue::v1::AddPermissionRequest& request) {
  SetQueue(call, *request.mutable_queue());
  request.set_label(call.input["Label"].text());
  for (const Value& account : call.input["AWSAccountIds"].list()) request.add_account_ids(account.text());
  for (const Value& action : call.input["Actions"].list()) request.add_actions(action.text());
  return std::nullopt;
}
Value DecodeAddPermission(const Call&, const queue::v1::AddPermissionResponse&) { return Value(); }

MaybeError EncodeRemovePermission(const Call& call, queue::v1::RemovePermissionRequest& request) {
  SetQueue(call, *request.mutable_queue());
  request.set_label(call.input["Label"].text());
  return std::nullopt;
}
Value DecodeRemovePermission(const Call&, const queue::v1::RemovePermissionResponse&) { return Value(); }

}  // namespace weir::gateway::sqs
