#include "services/gateway/sqs/errors.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "services/gateway/sqs/queue_attributes.h"

namespace weir::gateway::sqs {
namespace {

using wire::AwsError;
using wire::Value;

constexpr absl::string_view kWrongType = "The request include parameter that is not valid for this queue type.";
constexpr absl::string_view kQueueNameAllowed =
    "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
constexpr absl::string_view kFifoNameAllowed =
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo "
    "suffix and be 1 to 80 in length";
constexpr absl::string_view kCharactersAllowed =
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF";

AwsError WithText(AwsError error, absl::string_view message) {
  error.message = std::string(message);
  return error;
}

// Sentences of the queue service are `Value V for FIELD is invalid: WHY.`
absl::string_view FieldIn(absl::string_view sentence) {
  const size_t end = sentence.find(" is invalid: ");
  const size_t begin = end == absl::string_view::npos ? end : sentence.rfind(" for ", end);
  return begin == absl::string_view::npos ? absl::string_view() : sentence.substr(begin + 5, end - begin - 5);
}

std::string WhyIn(absl::string_view sentence) {
  const size_t begin = sentence.find(" is invalid: ");
  std::string why(begin == absl::string_view::npos ? sentence : sentence.substr(begin + 13));
  if (!why.empty()) why[0] = absl::ascii_toupper(why[0]);
  return why;
}

std::string FieldOf(const absl::Status& status) {
  const ErrorMetadata metadata = MetadataOf(status);
  for (const char* key : {"field", "attribute"}) {
    if (const auto found = metadata.find(key); found != metadata.end()) return found->second;
  }
  return std::string(FieldIn({status.message().data(), status.message().size()}));
}

// Which parameter a field of a request to the queue service comes from, and what SQS says is allowed.
struct ParameterWords {
  absl::string_view field;
  absl::string_view parameter;
  absl::string_view allowed;
};
constexpr ParameterWords kParameters[] = {
    {"max_messages", "MaxNumberOfMessages", "Must be between 1 and 10, if provided."},
    {"wait_time", "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided."},
    {"visibility_timeout", "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200"},
    {"receive_request_attempt_id", "ReceiveRequestAttemptId",
     "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
    {"message.body", "MessageBody", ""},
    {"message.delay", "DelaySeconds", "DelaySeconds must be >= 0 and <= 900."},
    {"message.message_group_id", "MessageGroupId",
     "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
    {"message.message_deduplication_id", "MessageDeduplicationId",
     "MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
    {"receipt_handle", "ReceiptHandle", ""},
    {"max_messages_per_second", "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided."},
    {"page_size", "MaxResults", "MaxResults must be an integer between 1 and 1000."},
    {"page_token", "NextToken", "Use the NextToken of the page before, with the same parameters."},
    {"destination_arn", "DestinationArn", ""},
    {"tags", "Tags", ""},
    {"tag_keys", "TagKeys", ""},
    {"label", "Label", ""},
    {"account_ids", "AWSAccountIds", ""},
    {"actions", "Actions", ""},
    {"task_handle", "TaskHandle", ""},
};

const ParameterWords* FindByField(absl::string_view field) {
  for (const ParameterWords& words : kParameters) {
    if (field == words.field) return &words;
  }
  return nullptr;
}

// The value that the call has for a parameter is not allowed.
AwsError NotAllowed(const Call& call, absl::string_view parameter, absl::string_view why) {
  return InvalidParameter(call.input[parameter].Shown(), parameter, why);
}

AwsError ExplainDelay(const Call& call, const ParameterWords& words) {
  const int64_t seconds = call.input["DelaySeconds"].number();
  const bool in_range = seconds >= 0 && seconds <= 900;
  return NotAllowed(call, words.parameter, in_range ? kWrongType : words.allowed);
}

AwsError ExplainDeduplicationId(const Call& call, const ParameterWords& words, const absl::Status& status) {
  if (call.input[words.parameter].absent()) {
    return WithText(wire::FromStatus(status),
                    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
                    "explicitly");
  }
  return NotAllowed(call, words.parameter,
                    absl::StrContains(status.message(), "does not deduplicate") ? kWrongType : words.allowed);
}

AwsError ExplainGroupId(const Call& call, const ParameterWords& words, const absl::Status& status) {
  // Missing from a batch.
  if (call.input[words.parameter].absent()) {
    return WithText(wire::FromStatus(status), "The request must contain the parameter MessageGroupId.");
  }
  return NotAllowed(call, words.parameter, words.allowed);
}

AwsError ExplainQueueName(const Call& call, const absl::Status& status) {
  if (call.operation != "CreateQueue") {
    return Explain(call, MakeError(ErrorReason::kQueueDoesNotExist, status.message()));
  }
  const bool fifo = call.input["Attributes"]["FifoQueue"].text() == "true";
  return WithText(wire::FromStatus(status), fifo ? kFifoNameAllowed : kQueueNameAllowed);
}

std::string NameOfQueue(const Call& call) {
  const std::string& url = call.input["QueueUrl"].absent() ? call.input["QueueName"].text() : call.input["QueueUrl"].text();
  return url.substr(url.rfind('/') + 1);
}

// The service's sentences are `Message (user) attribute 'NAME' …`.
std::string WordsOfMessageAttribute(absl::string_view sentence) {
  constexpr absl::string_view kBegin = "Message (user) attribute '";
  const auto name_before = [&](absl::string_view what) {
    const size_t end = sentence.find(absl::StrCat("' ", what));
    return end == absl::string_view::npos ? absl::string_view() : sentence.substr(0, end).substr(kBegin.size());
  };
  if (absl::StrContains(sentence, "' has an invalid name: it must not start with")) {
    return "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.";
  }
  if (absl::StartsWith(sentence, absl::StrCat(kBegin, "' has an invalid name"))) {
    return "The request must contain non-empty message (user) attribute names.";
  }
  if (const auto name = name_before("has the data type \"\""); !name.empty()) {
    return absl::StrCat("The message (user) attribute '", name, "' must contain a non-empty message attribute type.");
  }
  if (const auto name = name_before("has the data type"); !name.empty()) {
    return absl::StrCat("The type of message (user) attribute '", name,
                        "' is invalid. You must use only the following supported type prefixes: Binary, Number, String.");
  }
  if (const auto name = name_before("has the value"); !name.empty()) {
    return absl::StrCat("Can't cast the value of message (user) attribute '", name, "' to a number.");
  }
  // In which field of its own a value is missing is nothing to clients of SQS.
  return absl::StrReplaceAll(sentence, {{", in string_value.", "."}, {", in binary_value.", "."}});
}

// INVALID_PARAMETER_VALUE for what the service says of tags; the parameter is a map, so its sentence has the value.
AwsError ExplainTags(const Call& call, const AwsError& error) {
  if (absl::StartsWith(error.message, "A queue has at most")) {
    return WithText(error, absl::StrCat("Too many tags added for queue ", NameOfQueue(call), "."));
  }
  const absl::string_view parameter = call.operation == "CreateQueue" ? "tags" : "Tags";
  const size_t end = error.message.find("\" for tags");
  const bool quotes = absl::StartsWith(error.message, "Value \"") && end != std::string::npos;
  return InvalidParameter(quotes ? error.message.substr(7, end - 7) : "", parameter, WhyIn(error.message));
}

// INVALID_PARAMETER_VALUE
AwsError ExplainParameter(const Call& call, const absl::Status& status) {
  const std::string field = FieldOf(status);
  const AwsError error = wire::FromStatus(status);
  if (field == "queue.name") return ExplainQueueName(call, status);
  if (field == "task_handle") return WithText(error, "Value for parameter TaskHandle is invalid.");
  if (absl::StartsWith(field, "tags")) return ExplainTags(call, error);
  // The service says by how much a message is too long.
  if (absl::StartsWith(error.message, "One or more parameters are invalid.")) {
    return WithText(error, absl::StrCat(error.message.substr(0, error.message.find(';')), "."));
  }
  if (absl::StartsWith(error.message, "Message (user) attribute")) {
    return WithText(error, WordsOfMessageAttribute(error.message));
  }
  if (absl::StrContains(error.message, "beyond the limit [43200 seconds]")) {
    return NotAllowed(call, "VisibilityTimeout",
                      "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]");
  }
  const absl::string_view attribute = call.input["Attributes"].absent() ? "" : AttributeOfField(field);
  if (!attribute.empty()) {
    return InvalidParameter(call.input["Attributes"][attribute].text(), attribute, WhyIn(error.message));
  }
  const ParameterWords* words = FindByField(field);
  if (words == nullptr) return error;
  if (words->parameter == "DelaySeconds") return ExplainDelay(call, *words);
  if (words->parameter == "MessageDeduplicationId") return ExplainDeduplicationId(call, *words, status);
  if (words->parameter == "MessageGroupId") return ExplainGroupId(call, *words, status);
  if (absl::StrContains(error.message, "only FIFO queues")) return NotAllowed(call, words->parameter, kWrongType);
  return NotAllowed(call, words->parameter, words->allowed.empty() ? WhyIn(error.message) : std::string(words->allowed));
}

AwsError ExplainMissing(const absl::Status& status) {
  // Failures of a batch's entries have nothing but their sentence.
  absl::string_view in_sentence(status.message().data(), status.message().size());
  absl::ConsumePrefix(&in_sentence, "The request must contain the parameter ");
  absl::ConsumeSuffix(&in_sentence, ".");
  const std::string field = FieldOf(status);
  const ParameterWords* words = FindByField(field.empty() ? in_sentence : field);
  return words == nullptr ? wire::FromStatus(status) : wire::MissingParameter(words->parameter);
}

AwsError ExplainAttributeName(const absl::Status& status) {
  const absl::string_view attribute = AttributeOfField(FieldOf(status));
  const bool unknown = attribute == "FifoQueue" || attribute == "ContentBasedDeduplication";
  return WithText(wire::FromStatus(status),
                  unknown ? absl::StrCat("Unknown Attribute ", attribute, ".")
                          : absl::StrCat("You can specify the ", attribute, " only when FifoQueue is set to true."));
}

AwsError ExplainAttributeValue(const absl::Status& status) {
  const absl::string_view attribute = AttributeOfField(FieldOf(status));
  std::string text = absl::StrCat("Invalid value for the parameter ", attribute, ".");
  if (attribute == "FifoQueue") absl::StrAppend(&text, " Reason: Modifying queue type is not supported.");
  // Where SQS leaves it at that, in a long document the reason is worth a sentence.
  if (attribute == "Policy") {
    absl::StrAppend(&text, " Reason: ", WhyIn({status.message().data(), status.message().size()}));
  }
  return WithText(wire::FromStatus(status), text);
}

AwsError ExplainDeadLetterTarget(const Call& call, const absl::Status& status) {
  const std::string why = WhyIn({status.message().data(), status.message().size()});
  const bool missing = absl::StartsWith(why, "Dead letter target does not exist");
  return InvalidParameter(call.input["Attributes"]["RedrivePolicy"].text(), "RedrivePolicy",
                          missing ? "Dead letter target does not exist." : why);
}

AwsError ExplainQueueDoesNotExist(const Call& call, const absl::Status& status) {
  if (!call.input["SourceArn"].absent()) {
    return WithText(wire::FromStatus(MakeError(ErrorReason::kResourceNotFound, "")),
                    "The resource that you specified for the SourceArn parameter doesn't exist.");
  }
  AwsError error = WithText(wire::FromStatus(status), "The specified queue does not exist.");
  error.query_message = "The specified queue does not exist for this wsdl version.";
  return error;
}

// Reasons whose words do not depend on the field; empty: the service's own are SQS's.
std::string WordsFor(ErrorReason reason, const Call& call, const absl::Status& status) {
  switch (reason) {
    case ErrorReason::kPurgeInProgress:
      return absl::StrCat("Only one PurgeQueue operation on ", NameOfQueue(call), " is allowed every 60 seconds.");
    case ErrorReason::kQueueDeletedRecently:
      return "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
    case ErrorReason::kQueueAlreadyExists:
      return absl::StrCat("A queue already exists with the same name and a different value for attribute ",
                          AttributeOfField(MetadataOf(status)["attribute"]));
    case ErrorReason::kInvalidMessageContents:
      return std::string(kCharactersAllowed);
    case ErrorReason::kReceiptHandleInvalid:
      return absl::StrCat("The input receipt handle \"", call.input["ReceiptHandle"].text(),
                          "\" is not a valid receipt handle.");
    case ErrorReason::kBatchEmpty:
      return absl::StrCat("There should be at least one ", call.operation, "RequestEntry in the request.");
    case ErrorReason::kBatchEntryIdInvalid:
      return "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 "
             "letters long.";
    case ErrorReason::kQueueNotDeadLetterTarget:
      return "Source queue must be configured as a Dead Letter Queue.";
    case ErrorReason::kResourceNotFound:
      return absl::StrCat("The resource that you specified for the ",
                          FieldOf(status) == "source_arn" ? "SourceArn" : "DestinationArn", " parameter doesn't exist.");
    default:
      return "";
  }
}

}  // namespace

AwsError InvalidParameter(absl::string_view value, absl::string_view name, absl::string_view reason) {
  return wire::FromStatus(
      MakeError(ErrorReason::kInvalidParameterValue,
                absl::StrCat("Value ", value, " for parameter ", name, " is invalid. Reason: ", reason)));
}
absl::string_view AllowedFor(absl::string_view parameter) {
  for (const ParameterWords& words : kParameters) {
    if (words.parameter == parameter) return words.allowed;
  }
  return {};
}

AwsError Explain(const Call& call, const absl::Status& status) {
  const ErrorReason reason = ReasonOf(status);
  switch (reason) {
    case ErrorReason::kInvalidParameterValue:
    case ErrorReason::kPageTokenInvalid:
      return ExplainParameter(call, status);
    case ErrorReason::kMissingParameter:
      return ExplainMissing(status);
    case ErrorReason::kInvalidAttributeName:
      return ExplainAttributeName(status);
    case ErrorReason::kInvalidAttributeValue:
      return ExplainAttributeValue(status);
    case ErrorReason::kDeadLetterTargetInvalid:
      return ExplainDeadLetterTarget(call, status);
    case ErrorReason::kQueueDoesNotExist:
      return ExplainQueueDoesNotExist(call, status);
    case ErrorReason::kReceiptHandleExpired:
      return NotAllowed(call, "ReceiptHandle", "The receipt handle has expired.");
    case ErrorReason::kMessageDoesNotExist:
      return NotAllowed(call, "ReceiptHandle",
                        "Message does not exist or is not available for visibility timeout change.");
    default:
      break;
  }
  AwsError error = wire::FromStatus(status);
  if (const std::string words = WordsFor(reason, call, status); !words.empty()) error.message = words;
  return error;
}

Value DecodeFailures(const Call& call, const google::protobuf::RepeatedPtrField<queue::v1::BatchFailure>& failures) {
  Value::List list;
  for (const queue::v1::BatchFailure& failure : failures) {
    const absl::Status status = MakeError(static_cast<ErrorReason>(failure.reason()), failure.message());
    const Value* failed = &call.input;
    for (const Value& entry : call.input["Entries"].list()) {
      if (entry["Id"].text() == failure.id()) failed = &entry;
    }
    const AwsError error = Explain({call.operation, call.context, call.options, *failed}, status);
    Value out;
    out.Set("Id", Value(failure.id()));
    out.Set("SenderFault", Value(failure.sender_fault()));
    out.Set("Code", Value(error.query_code));
    out.Set("Message", Value(error.message));
    list.push_back(std::move(out));
  }
  return Value(std::move(list));
}

}  // namespace weir::gateway::sqs
