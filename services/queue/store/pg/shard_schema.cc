#include "services/queue/store/pg/shard_schema.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/substitute.h"
#include "services/queue/store/pg/row_codec.h"

namespace weir::queue::store {

std::string ShardSchema(core::ShardId shard) {
  return absl::StrFormat("shard_%04d", shard.value());
}

std::string MessagesTable(core::ShardId shard, core::SegmentNo segment) {
  return absl::StrFormat("%s.messages_%06d", ShardSchema(shard), segment.value());
}

std::string EventsTable(core::ShardId shard, core::SegmentNo segment) {
  return absl::StrFormat("%s.events_%06d", ShardSchema(shard), segment.value());
}

std::string SegmentsTable(core::ShardId shard) {
  return absl::StrCat(ShardSchema(shard), ".segments");
}

std::string CreateShardSql(core::ShardId shard) {
  // `rows` is known once the segment is not the active one any more. `lowest_seq` is first_log_no, or less when older messages were
  // copied into the segment: so a reader knows which segments can hold a seq. The rows up to (copied_partition, copied_seq) have been
  // copied forward, so they are superseded.
  return absl::Substitute(
      "CREATE SCHEMA $0;"
      "CREATE TABLE $1 ("
      " segment integer PRIMARY KEY,"
      " first_log_no bigint NOT NULL,"
      " lowest_seq bigint NOT NULL,"
      " rows bigint,"
      " retired boolean NOT NULL DEFAULT false,"
      " copied_partition bigint,"
      " copied_seq bigint,"
      " started_at timestamptz NOT NULL DEFAULT clock_timestamp())",
      ShardSchema(shard), SegmentsTable(shard));
}

std::string CreateSegmentSql(core::ShardId shard, core::SegmentNo segment) {
  // Columns of fixed width first, those of eight bytes first of all: no padding. Must agree with row_codec.
  return absl::Substitute(
      "CREATE TABLE $0 ("
      " log_no bigint NOT NULL,"
      " partition_id bigint NOT NULL,"
      " seq bigint NOT NULL,"
      " sent_at timestamptz NOT NULL,"
      " visible_at timestamptz NOT NULL,"
      " first_received_at timestamptz,"
      " source_partition bigint,"
      " source_seq bigint,"
      " receive_count integer NOT NULL,"
      " in_flight boolean NOT NULL,"
      " message_id uuid NOT NULL,"
      " message_group_id text,"
      " deduplication_id text,"
      " dead_letter_source_arn text,"
      " attributes bytea,"
      " body text NOT NULL,"
      " consumer text"
      ") WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off, fillfactor = 100);"
      "ALTER TABLE $0 ALTER body SET STORAGE EXTERNAL, ALTER attributes SET STORAGE EXTERNAL;"
      "CREATE INDEX ON $0 (partition_id, seq);"
      "CREATE TABLE $1 ("
      " log_no bigint NOT NULL,"
      " partition_id bigint NOT NULL,"
      " seq bigint NOT NULL,"
      " at timestamptz NOT NULL,"
      " visible_at timestamptz,"
      " receive_count integer NOT NULL,"
      " kind smallint NOT NULL,"
      " source_partition bigint,"
      " source_seq bigint,"
      " consumer text"
      ") WITH (autovacuum_enabled = off, fillfactor = 100);",
      MessagesTable(shard, segment), EventsTable(shard, segment));
}

std::string DropSegmentSql(core::ShardId shard, core::SegmentNo segment) {
  return absl::Substitute("DROP TABLE $0, $1; DELETE FROM $2 WHERE segment = $3;",
                          MessagesTable(shard, segment), EventsTable(shard, segment),
                          SegmentsTable(shard), segment.value());
}

std::string StartSegmentSql(core::ShardId shard, core::SegmentNo segment, core::LogNo first_log_no) {
  return absl::Substitute(
      "$0INSERT INTO $1 (segment, first_log_no, lowest_seq) VALUES ($2, $3, $3);",
      CreateSegmentSql(shard, segment), SegmentsTable(shard), segment.value(), first_log_no.value());
}

std::string CloseSegmentSql(core::ShardId shard, core::SegmentNo segment, int64_t rows) {
  return absl::Substitute("UPDATE $0 SET rows = $1 WHERE segment = $2;", SegmentsTable(shard), rows,
                          segment.value());
}

std::string RetireSegmentSql(core::ShardId shard, core::SegmentNo segment) {
  return absl::Substitute("UPDATE $0 SET retired = true WHERE segment = $1;", SegmentsTable(shard),
                          segment.value());
}

std::string FenceSql(core::ShardId shard, core::Epoch epoch) {
  return absl::Substitute(
      "DO $$$$BEGIN PERFORM 1 FROM queue.shards WHERE shard = $0 AND epoch = $1 FOR SHARE;"
      " IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = '$2'; END IF; END$$$$;",
      shard.value(), epoch.value(), kFencedSqlState);
}

std::string AppendSql(core::ShardId shard, core::Epoch epoch, core::SegmentNo segment,
                      AppendShape shape) {
  const std::string messages = MessagesTable(shard, segment);
  const std::string events = EventsTable(shard, segment);
  int params = 0;
  // PostgreSQL runs the fence once, and every INSERT reads its row: without the row there is nothing to insert. When a take-over is
  // just committing, FOR SHARE waits for it and then finds that the epoch is not this one any more.
  std::string sql = absl::Substitute(
      "WITH fence AS MATERIALIZED (SELECT 1 FROM queue.shards"
      " WHERE shard = $0 AND epoch = $1 FOR SHARE)",
      shard.value(), epoch.value());
  if (shape.messages) {
    absl::SubstituteAndAppend(
        &sql, ", m AS (INSERT INTO $0 ($1) SELECT u.* FROM fence, unnest($$$2::$0[]) u)", messages,
        kAppendMessageColumns, ++params);
  }
  if (shape.events) {
    absl::SubstituteAndAppend(
        &sql, ", e AS (INSERT INTO $0 ($1) SELECT u.* FROM fence, unnest($$$2::$0[]) u)", events,
        kEventColumns, ++params);
  }
  if (shape.catalogue) {
    absl::SubstituteAndAppend(
        &sql,
        ", c AS (UPDATE $0 s SET retired = s.retired OR s.segment = $$$2::bigint,"
        " lowest_seq = CASE s.segment WHEN $1 THEN least(s.lowest_seq, $$$3::bigint)"
        " ELSE s.lowest_seq END,"
        " copied_partition = CASE s.segment WHEN $$$4::bigint THEN $$$5::bigint"
        " ELSE s.copied_partition END,"
        " copied_seq = CASE s.segment WHEN $$$4::bigint THEN $$$6::bigint ELSE s.copied_seq END"
        " FROM fence WHERE s.segment IN ($$$2::bigint, $1, $$$4::bigint))",
        SegmentsTable(shard), segment.value(), params + 1, params + 2, params + 3, params + 4,
        params + 5);
  }
  return absl::StrCat(sql, " SELECT count(*) FROM fence");
}

}  // namespace weir::queue::store
