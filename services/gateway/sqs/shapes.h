// The inputs and outputs of SQS's operations, as AWS's own model of the service (2012-11-05) has them.
#pragma once

#include "services/gateway/wire/shape.h"

namespace weir::gateway::sqs::shapes {

using wire::Kind;
using wire::Member;
using wire::Shape;

inline constexpr Shape kString = {.kind = Kind::kString};
inline constexpr Shape kInteger = {.kind = Kind::kInteger};
inline constexpr Shape kBoolean = {.kind = Kind::kBoolean};
inline constexpr Shape kBlob = {.kind = Kind::kBlob};
inline constexpr Shape kStrings = {.kind = Kind::kList, .element = &kString, .flattened = true};
inline constexpr Shape kAttributeMap = {
    .kind = Kind::kMap, .element = &kString, .flattened = true, .key = "Name", .value = "Value"};
inline constexpr Shape kTagMap = {
    .kind = Kind::kMap, .element = &kString, .flattened = true, .key = "Key", .value = "Value"};

constexpr Shape Structure(absl::Span<const Member> members) {
  return {.kind = Kind::kStructure, .members = members};
}
constexpr Shape ListOf(const Shape& element) {
  return {.kind = Kind::kList, .element = &element, .flattened = true};
}

// ---- What several operations share ----

inline constexpr Member kQueueUrl = {.name = "QueueUrl", .shape = &kString, .required = true};

inline constexpr Member kMessageAttributeValueMembers[] = {{.name = "StringValue", .shape = &kString},
                                                           {.name = "BinaryValue", .shape = &kBlob},
                                                           {.name = "DataType", .shape = &kString}};
inline constexpr Shape kMessageAttributeValue = Structure(kMessageAttributeValueMembers);
inline constexpr Shape kMessageAttributeMap = {
    .kind = Kind::kMap, .element = &kMessageAttributeValue, .flattened = true, .key = "Name", .value = "Value"};

inline constexpr Member kBatchErrorMembers[] = {{.name = "Id", .shape = &kString},
                                                {.name = "SenderFault", .shape = &kBoolean},
                                                {.name = "Code", .shape = &kString},
                                                {.name = "Message", .shape = &kString}};
inline constexpr Shape kBatchError = Structure(kBatchErrorMembers);
inline constexpr Shape kBatchErrors = ListOf(kBatchError);
inline constexpr Member kFailed = {.name = "Failed", .shape = &kBatchErrors, .query_name = "BatchResultErrorEntry"};

inline constexpr Member kIdMembers[] = {{.name = "Id", .shape = &kString}};
inline constexpr Shape kId = Structure(kIdMembers);
inline constexpr Shape kIds = ListOf(kId);

inline constexpr Member kOnlyQueueUrlMembers[] = {kQueueUrl};
inline constexpr Shape kOnlyQueueUrl = Structure(kOnlyQueueUrlMembers);

// ---- Queues ----

inline constexpr Member kCreateQueueInputMembers[] = {
    {.name = "QueueName", .shape = &kString, .required = true},
    {.name = "Attributes", .shape = &kAttributeMap, .query_name = "Attribute"},
    {.name = "tags", .shape = &kTagMap, .query_name = "Tag"}};
inline constexpr Shape kCreateQueueInput = Structure(kCreateQueueInputMembers);
inline constexpr Member kQueueUrlOutputMembers[] = {{.name = "QueueUrl", .shape = &kString}};
inline constexpr Shape kQueueUrlOutput = Structure(kQueueUrlOutputMembers);

inline constexpr Member kGetQueueUrlInputMembers[] = {
    {.name = "QueueName", .shape = &kString, .required = true},
    {.name = "QueueOwnerAWSAccountId", .shape = &kString}};
inline constexpr Shape kGetQueueUrlInput = Structure(kGetQueueUrlInputMembers);

inline constexpr Member kListQueuesInputMembers[] = {{.name = "QueueNamePrefix", .shape = &kString},
                                                     {.name = "NextToken", .shape = &kString},
                                                     {.name = "MaxResults", .shape = &kInteger}};
inline constexpr Shape kListQueuesInput = Structure(kListQueuesInputMembers);
inline constexpr Member kListQueuesOutputMembers[] = {
    {.name = "QueueUrls", .shape = &kStrings, .query_name = "QueueUrl"}, {.name = "NextToken", .shape = &kString}};
inline constexpr Shape kListQueuesOutput = Structure(kListQueuesOutputMembers);

inline constexpr Member kListSourcesInputMembers[] = {
    kQueueUrl, {.name = "NextToken", .shape = &kString}, {.name = "MaxResults", .shape = &kInteger}};
inline constexpr Shape kListSourcesInput = Structure(kListSourcesInputMembers);
inline constexpr Member kListSourcesOutputMembers[] = {
    {.name = "queueUrls", .shape = &kStrings, .query_name = "QueueUrl"}, {.name = "NextToken", .shape = &kString}};
inline constexpr Shape kListSourcesOutput = Structure(kListSourcesOutputMembers);

inline constexpr Member kGetAttributesInputMembers[] = {
    kQueueUrl, {.name = "AttributeNames", .shape = &kStrings, .query_name = "AttributeName"}};
inline constexpr Shape kGetAttributesInput = Structure(kGetAttributesInputMembers);
inline constexpr Member kGetAttributesOutputMembers[] = {
    {.name = "Attributes", .shape = &kAttributeMap, .query_name = "Attribute"}};
inline constexpr Shape kGetAttributesOutput = Structure(kGetAttributesOutputMembers);

inline constexpr Member kSetAttributesInputMembers[] = {
    kQueueUrl, {.name = "Attributes", .shape = &kAttributeMap, .query_name = "Attribute", .required = true}};
inline constexpr Shape kSetAttributesInput = Structure(kSetAttributesInputMembers);

inline constexpr Member kTagQueueInputMembers[] = {
    kQueueUrl, {.name = "Tags", .shape = &kTagMap, .query_name = "Tag", .required = true}};
inline constexpr Shape kTagQueueInput = Structure(kTagQueueInputMembers);
inline constexpr Member kUntagQueueInputMembers[] = {
    kQueueUrl, {.name = "TagKeys", .shape = &kStrings, .query_name = "TagKey", .required = true}};
inline constexpr Shape kUntagQueueInput = Structure(kUntagQueueInputMembers);
inline constexpr Member kListTagsOutputMembers[] = {{.name = "Tags", .shape = &kTagMap, .query_name = "Tag"}};
inline constexpr Shape kListTagsOutput = Structure(kListTagsOutputMembers);

inline constexpr Member kAddPermissionInputMembers[] = {
    kQueueUrl,
    {.name = "Label", .shape = &kString, .required = true},
    {.name = "AWSAccountIds", .shape = &kStrings, .query_name = "AWSAccountId", .required = true},
    {.name = "Actions", .shape = &kStrings, .query_name = "ActionName", .required = true}};
inline constexpr Shape kAddPermissionInput = Structure(kAddPermissionInputMembers);
inline constexpr Member kRemovePermissionInputMembers[] = {kQueueUrl,
                                                           {.name = "Label", .shape = &kString, .required = true}};
inline constexpr Shape kRemovePermissionInput = Structure(kRemovePermissionInputMembers);

// ---- Messages ----

inline constexpr Member kSendMessageInputMembers[] = {
    kQueueUrl,
    {.name = "MessageBody", .shape = &kString, .required = true},
    {.name = "DelaySeconds", .shape = &kInteger},
    {.name = "MessageAttributes", .shape = &kMessageAttributeMap, .query_name = "MessageAttribute"},
    {.name = "MessageSystemAttributes", .shape = &kMessageAttributeMap, .query_name = "MessageSystemAttribute"},
    {.name = "MessageDeduplicationId", .shape = &kString},
    {.name = "MessageGroupId", .shape = &kString}};
inline constexpr Shape kSendMessageInput = Structure(kSendMessageInputMembers);
inline constexpr Member kSendMessageOutputMembers[] = {{.name = "MD5OfMessageBody", .shape = &kString},
                                                       {.name = "MD5OfMessageAttributes", .shape = &kString},
                                                       {.name = "MD5OfMessageSystemAttributes", .shape = &kString},
                                                       {.name = "MessageId", .shape = &kString},
                                                       {.name = "SequenceNumber", .shape = &kString}};
inline constexpr Shape kSendMessageOutput = Structure(kSendMessageOutputMembers);

inline constexpr Member kSendEntryMembers[] = {
    {.name = "Id", .shape = &kString},
    {.name = "MessageBody", .shape = &kString},
    {.name = "DelaySeconds", .shape = &kInteger},
    {.name = "MessageAttributes", .shape = &kMessageAttributeMap, .query_name = "MessageAttribute"},
    {.name = "MessageSystemAttributes", .shape = &kMessageAttributeMap, .query_name = "MessageSystemAttribute"},
    {.name = "MessageDeduplicationId", .shape = &kString},
    {.name = "MessageGroupId", .shape = &kString}};
inline constexpr Shape kSendEntry = Structure(kSendEntryMembers);
inline constexpr Shape kSendEntries = ListOf(kSendEntry);
inline constexpr Member kSendBatchInputMembers[] = {
    kQueueUrl, {.name = "Entries", .shape = &kSendEntries, .query_name = "SendMessageBatchRequestEntry"}};
inline constexpr Shape kSendBatchInput = Structure(kSendBatchInputMembers);
inline constexpr Member kSendResultMembers[] = {{.name = "Id", .shape = &kString},
                                                {.name = "MessageId", .shape = &kString},
                                                {.name = "MD5OfMessageBody", .shape = &kString},
                                                {.name = "MD5OfMessageAttributes", .shape = &kString},
                                                {.name = "MD5OfMessageSystemAttributes", .shape = &kString},
                                                {.name = "SequenceNumber", .shape = &kString}};
inline constexpr Shape kSendResult = Structure(kSendResultMembers);
inline constexpr Shape kSendResults = ListOf(kSendResult);
inline constexpr Member kSendBatchOutputMembers[] = {
    {.name = "Successful", .shape = &kSendResults, .query_name = "SendMessageBatchResultEntry"}, kFailed};
inline constexpr Shape kSendBatchOutput = Structure(kSendBatchOutputMembers);

inline constexpr Member kReceiveInputMembers[] = {
    kQueueUrl,
    {.name = "AttributeNames", .shape = &kStrings, .query_name = "AttributeName"},
    {.name = "MessageSystemAttributeNames", .shape = &kStrings, .query_name = "MessageSystemAttributeName"},
    {.name = "MessageAttributeNames", .shape = &kStrings, .query_name = "MessageAttributeName"},
    {.name = "MaxNumberOfMessages", .shape = &kInteger},
    {.name = "VisibilityTimeout", .shape = &kInteger},
    {.name = "WaitTimeSeconds", .shape = &kInteger},
    {.name = "ReceiveRequestAttemptId", .shape = &kString}};
inline constexpr Shape kReceiveInput = Structure(kReceiveInputMembers);
inline constexpr Member kMessageMembers[] = {
    {.name = "MessageId", .shape = &kString},
    {.name = "ReceiptHandle", .shape = &kString},
    {.name = "MD5OfBody", .shape = &kString},
    {.name = "Body", .shape = &kString},
    {.name = "Attributes", .shape = &kAttributeMap, .query_name = "Attribute"},
    {.name = "MD5OfMessageAttributes", .shape = &kString},
    {.name = "MessageAttributes", .shape = &kMessageAttributeMap, .query_name = "MessageAttribute"}};
inline constexpr Shape kMessage = Structure(kMessageMembers);
inline constexpr Shape kMessages = ListOf(kMessage);
inline constexpr Member kReceiveOutputMembers[] = {
    {.name = "Messages", .shape = &kMessages, .query_name = "Message"}};
inline constexpr Shape kReceiveOutput = Structure(kReceiveOutputMembers);

inline constexpr Member kReceiptHandle = {.name = "ReceiptHandle", .shape = &kString, .required = true};
inline constexpr Member kDeleteMessageInputMembers[] = {kQueueUrl, kReceiptHandle};
inline constexpr Shape kDeleteMessageInput = Structure(kDeleteMessageInputMembers);
inline constexpr Member kDeleteEntryMembers[] = {{.name = "Id", .shape = &kString},
                                                 {.name = "ReceiptHandle", .shape = &kString}};
inline constexpr Shape kDeleteEntry = Structure(kDeleteEntryMembers);
inline constexpr Shape kDeleteEntries = ListOf(kDeleteEntry);
inline constexpr Member kDeleteBatchInputMembers[] = {
    kQueueUrl, {.name = "Entries", .shape = &kDeleteEntries, .query_name = "DeleteMessageBatchRequestEntry"}};
inline constexpr Shape kDeleteBatchInput = Structure(kDeleteBatchInputMembers);
inline constexpr Member kDeleteBatchOutputMembers[] = {
    {.name = "Successful", .shape = &kIds, .query_name = "DeleteMessageBatchResultEntry"}, kFailed};
inline constexpr Shape kDeleteBatchOutput = Structure(kDeleteBatchOutputMembers);

inline constexpr Member kChangeVisibilityInputMembers[] = {
    kQueueUrl, kReceiptHandle, {.name = "VisibilityTimeout", .shape = &kInteger, .required = true}};
inline constexpr Shape kChangeVisibilityInput = Structure(kChangeVisibilityInputMembers);
inline constexpr Member kChangeEntryMembers[] = {{.name = "Id", .shape = &kString},
                                                 {.name = "ReceiptHandle", .shape = &kString},
                                                 {.name = "VisibilityTimeout", .shape = &kInteger}};
inline constexpr Shape kChangeEntry = Structure(kChangeEntryMembers);
inline constexpr Shape kChangeEntries = ListOf(kChangeEntry);
inline constexpr Member kChangeBatchInputMembers[] = {
    kQueueUrl, {.name = "Entries", .shape = &kChangeEntries, .query_name = "ChangeMessageVisibilityBatchRequestEntry"}};
inline constexpr Shape kChangeBatchInput = Structure(kChangeBatchInputMembers);
inline constexpr Member kChangeBatchOutputMembers[] = {
    {.name = "Successful", .shape = &kIds, .query_name = "ChangeMessageVisibilityBatchResultEntry"}, kFailed};
inline constexpr Shape kChangeBatchOutput = Structure(kChangeBatchOutputMembers);

// ---- Move tasks ----

inline constexpr Member kStartMoveInputMembers[] = {{.name = "SourceArn", .shape = &kString, .required = true},
                                                    {.name = "DestinationArn", .shape = &kString},
                                                    {.name = "MaxNumberOfMessagesPerSecond", .shape = &kInteger}};
inline constexpr Shape kStartMoveInput = Structure(kStartMoveInputMembers);
inline constexpr Member kStartMoveOutputMembers[] = {{.name = "TaskHandle", .shape = &kString}};
inline constexpr Shape kStartMoveOutput = Structure(kStartMoveOutputMembers);

inline constexpr Member kListMovesInputMembers[] = {{.name = "SourceArn", .shape = &kString, .required = true},
                                                    {.name = "MaxResults", .shape = &kInteger}};
inline constexpr Shape kListMovesInput = Structure(kListMovesInputMembers);
inline constexpr Member kMoveResultMembers[] = {{.name = "TaskHandle", .shape = &kString},
                                                {.name = "Status", .shape = &kString},
                                                {.name = "SourceArn", .shape = &kString},
                                                {.name = "DestinationArn", .shape = &kString},
                                                {.name = "MaxNumberOfMessagesPerSecond", .shape = &kInteger},
                                                {.name = "ApproximateNumberOfMessagesMoved", .shape = &kInteger},
                                                {.name = "ApproximateNumberOfMessagesToMove", .shape = &kInteger},
                                                {.name = "FailureReason", .shape = &kString},
                                                {.name = "StartedTimestamp", .shape = &kInteger}};
inline constexpr Shape kMoveResult = Structure(kMoveResultMembers);
inline constexpr Shape kMoveResults = ListOf(kMoveResult);
inline constexpr Member kListMovesOutputMembers[] = {
    {.name = "Results", .shape = &kMoveResults, .query_name = "ListMessageMoveTasksResultEntry"}};
inline constexpr Shape kListMovesOutput = Structure(kListMovesOutputMembers);

inline constexpr Member kCancelMoveInputMembers[] = {{.name = "TaskHandle", .shape = &kString, .required = true}};
inline constexpr Shape kCancelMoveInput = Structure(kCancelMoveInputMembers);
inline constexpr Member kCancelMoveOutputMembers[] = {
    {.name = "ApproximateNumberOfMessagesMoved", .shape = &kInteger}};
inline constexpr Shape kCancelMoveOutput = Structure(kCancelMoveOutputMembers);

}  // namespace weir::gateway::sqs::shapes
