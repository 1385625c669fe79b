// PostgreSQL's binary forms of the rows of a segment: what an append sends and what a read gets back.
//
// An append sends each table's rows as one parameter, a binary array of the table's own row type, which the statement unnests. That
// was the cheapest of the ways measured (docs/performance.md): as cheap as COPY for large groups, far cheaper for small ones.
//
// Pure functions. The order of the columns here is that of the tables (shard_schema.cc).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/queue/core/decision.h"
#include "services/queue/store/queue_store.h"

namespace weir::queue::store {

// An object id of PostgreSQL's catalogue.
using PgOid = uint32_t;

// Replaces `out` by the array of these rows; `row_type` is the table's row type.
// REQUIRES: every message id is a UUID.
void EncodeMessages(PgOid row_type, absl::Span<const core::AppendMessage> rows, std::string& out);
void EncodeEvents(PgOid row_type, absl::Span<const core::AppendEvent> rows, std::string& out);

// A bigint parameter, and a bigint[] one.
std::string EncodeInt64(int64_t value);
std::string EncodeInt64Array(absl::Span<const int64_t> values);

// One column of a row as PostgreSQL sent it; valid as long as the result that it came from.
struct PgField {
  const char* data = nullptr;
  int length = -1;  // -1: NULL
  bool is_null() const { return length < 0; }
  absl::string_view bytes() const { return {data, static_cast<size_t>(length)}; }
};

// The columns that the decoders expect, in their order, as SQL.
inline constexpr absl::string_view kEventColumns =
    "log_no, partition_id, seq, at, visible_at, receive_count, kind, source_partition, source_seq, "
    "consumer";
inline constexpr size_t kEventColumnCount = 10;
// What recovery needs. The message id only where there is a deduplication id: it is what a repeated send is answered with.
inline constexpr absl::string_view kMetaColumns =
    "log_no, partition_id, seq, sent_at, visible_at, first_received_at, source_partition, source_seq, "
    "receive_count, in_flight, CASE WHEN deduplication_id IS NOT NULL THEN message_id END, "
    "message_group_id, deduplication_id";
inline constexpr size_t kMetaColumnCount = 13;
inline constexpr absl::string_view kMessageColumns =
    "log_no, partition_id, seq, sent_at, visible_at, first_received_at, source_partition, source_seq, "
    "receive_count, in_flight, message_id, message_group_id, deduplication_id, "
    "dead_letter_source_arn, attributes, body";
inline constexpr size_t kMessageColumnCount = 16;
// What an append writes: the message columns, and one that is read for traces only.
inline constexpr absl::string_view kAppendMessageColumns =
    "log_no, partition_id, seq, sent_at, visible_at, first_received_at, source_partition, source_seq, "
    "receive_count, in_flight, message_id, message_group_id, deduplication_id, "
    "dead_letter_source_arn, attributes, body, consumer";
inline constexpr size_t kAppendMessageColumnCount = 17;

// INTERNAL if the fields are not of these types.
absl::StatusOr<int64_t> DecodeInt64(const PgField& field);
absl::StatusOr<absl::Time> DecodeTime(const PgField& field);
absl::StatusOr<core::AppendEvent> DecodeEvent(absl::Span<const PgField> fields);
// Without content. `segment` is where the row stands.
absl::StatusOr<StoredMessage> DecodeMeta(absl::Span<const PgField> fields,
                                         core::SegmentNo segment);
absl::StatusOr<StoredMessage> DecodeMessage(absl::Span<const PgField> fields,
                                            core::SegmentNo segment);

// Cuts the stream of a binary COPY TO STDOUT into rows. Chunks need not end where rows end.
class CopyParser {
 public:
  explicit CopyParser(size_t columns) : fields_(columns) {}

  void Feed(absl::string_view chunk);
  // The next whole row, valid until the next call of anything; empty when more must be fed, or at the end.
  // INTERNAL if it is no such stream.
  absl::StatusOr<absl::Span<const PgField>> Next();
  // The trailer was seen: everything arrived.
  bool done() const { return done_; }

 private:
  std::string buffer_;
  size_t position_ = 0;
  bool header_seen_ = false;
  bool done_ = false;
  std::vector<PgField> fields_;
};

}  // namespace weir::queue::store
