// The SQL of a shard's own schema, shard_NNNN: its catalogue of segments, and what is done to one segment.
//
// A segment is a pair of insert-only tables:
//   messages_NNNNNN  one row per message, wide;
//   events_NNNNNN    one narrow row per thing that happened to a message.
// No row is ever updated or deleted, so there are no dead rows: autovacuum is off, pages are filled to the end, and a segment goes
// as a whole, by DROP. Every message row is indexed by (partition_id, seq); that costs 1 µs of the 4 µs that a row costs with one
// partition, 2 of 5 with a thousand, and lets a partition be read without reading its neighbours. The events have no index: they
// are only read whole. Bodies are not compressed (STORAGE EXTERNAL): compressing costs more than writing.
//
// The catalogue is changed only when a segment starts, retires or goes, and when messages are copied forward.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "services/queue/core/types.h"

namespace weir::queue::store {

std::string ShardSchema(core::ShardId shard);
std::string MessagesTable(core::ShardId shard, core::SegmentNo segment);  // with schema
std::string EventsTable(core::ShardId shard, core::SegmentNo segment);    // with schema
std::string SegmentsTable(core::ShardId shard);                           // with schema

// The schema with its catalogue, without a segment.
std::string CreateShardSql(core::ShardId shard);
// The two tables of a segment.
std::string CreateSegmentSql(core::ShardId shard, core::SegmentNo segment);
// The tables and the entry in the catalogue.
std::string StartSegmentSql(core::ShardId shard, core::SegmentNo segment, core::LogNo first_log_no);
// The segment is not the active one any more and has this many rows.
std::string CloseSegmentSql(core::ShardId shard, core::SegmentNo segment, int64_t rows);
std::string RetireSegmentSql(core::ShardId shard, core::SegmentNo segment);
std::string DropSegmentSql(core::ShardId shard, core::SegmentNo segment);

// The SQLSTATE that FenceSql raises.
inline constexpr absl::string_view kFencedSqlState = "WR001";
// Fails with kFencedSqlState unless `epoch` is the shard's current one; else keeps it so to the end of the transaction.
std::string FenceSql(core::ShardId shard, core::Epoch epoch);

// What an append carries.
struct AppendShape {
  bool messages = false;
  bool events = false;
  bool catalogue = false;  // a segment retires, or messages are copied forward
};
// The fenced append, in one statement, so in one round trip and one transaction. Its answer is one bigint: 1, or 0 when fenced, and
// then nothing was written. Parameters, numbered in this order, of what the shape has: the messages; the events; the segment that
// retires or 0, the lowest seq among the messages, and the segment that is being copied forward or 0, with the partition and the seq up
// to which it is.
std::string AppendSql(core::ShardId shard, core::Epoch epoch, core::SegmentNo segment,
                      AppendShape shape);

}  // namespace weir::queue::store
