// Checks of single fields, shared by the calls. Each answers OK or an error whose sentence names the field, its value and what is
// allowed. The limits are those of SQS.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/queue/store/queue_store.h"
#include "weir/common/v1/namespace.pb.h"
#include "weir/errors.gen.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::queue::api {

inline constexpr int kBatchEntriesMax = 10;
inline constexpr size_t kBatchBytesMax = 1'048'576;

// MISSING_PARAMETER: a required field is not set.
absl::Status MissingParameter(absl::string_view field);

// Defaults for what is empty: account 000000000000, region us-east-1.
absl::StatusOr<store::QueueName> CheckQueueRef(const v1::QueueRef& ref, absl::string_view field);
// With an empty queue name.
absl::StatusOr<store::QueueName> CheckNamespace(const common::v1::Namespace& ns,
                                                absl::string_view field);

// A duration between `min` and `max`; in whole seconds if `whole_seconds`.
absl::StatusOr<absl::Duration> CheckDuration(const google::protobuf::Duration& duration,
                                             absl::string_view field, absl::Duration min,
                                             absl::Duration max, bool whole_seconds,
                                             ErrorReason reason = ErrorReason::kInvalidParameterValue);

// 0 stands for `default_value`.
absl::StatusOr<int32_t> CheckCount(int32_t value, absl::string_view field, int32_t min, int32_t max,
                                   int32_t default_value);

// A group id, deduplication id or attempt id: 1 to 128 alphanumerics and punctuation.
absl::Status CheckToken(absl::string_view token, absl::string_view field);

// Keys of 1 to 128 characters and values of 0 to 256, without control characters, at most 50 of them.
absl::Status CheckTags(const store::Tags& tags);

// Those that a queue would have: keys of 1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.', values of 1 to 2,048 characters, at most 50 of
// them. INVALID_ATTRIBUTE_VALUE.
absl::Status CheckAnnotations(const std::map<std::string, std::string>& annotations);

// 1 to 10 entries with ids that are well-formed and distinct.
template <typename Entry>
absl::Status CheckBatch(const google::protobuf::RepeatedPtrField<Entry>& entries);
absl::Status CheckBatchSize(int size);
absl::Status CheckBatchEntryId(absl::string_view id);
absl::Status DuplicateBatchEntryId(absl::string_view id);

template <typename Entry>
absl::Status CheckBatch(const google::protobuf::RepeatedPtrField<Entry>& entries) {
  if (absl::Status status = CheckBatchSize(entries.size()); !status.ok()) return status;
  for (int i = 0; i < entries.size(); ++i) {
    if (absl::Status status = CheckBatchEntryId(entries[i].id()); !status.ok()) return status;
    for (int j = 0; j < i; ++j) {
      if (entries[j].id() == entries[i].id()) return DuplicateBatchEntryId(entries[i].id());
    }
  }
  return absl::OkStatus();
}

}  // namespace weir::queue::api
