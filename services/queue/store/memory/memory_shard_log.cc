#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "libs/base/check.h"
#include "services/queue/store/memory/memory_database.h"
#include "services/queue/store/memory/memory_queue_store.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

core::MessageMeta RoundedMeta(core::MessageMeta meta, core::SegmentNo segment,
                              const core::MessageContent& content) {
  meta.segment = segment;
  meta.message_group_id = content.message_group_id;
  meta.sent_at = MemoryDatabase::Rounded(meta.sent_at);
  meta.visible_at = MemoryDatabase::Rounded(meta.visible_at);
  if (meta.first_received_at.has_value()) {
    meta.first_received_at = MemoryDatabase::Rounded(*meta.first_received_at);
  }
  return meta;
}

class MemoryShardLog final : public ShardLog {
 public:
  MemoryShardLog(std::shared_ptr<MemoryDatabase> db, core::ShardId shard)
      : db_(std::move(db)), shard_no_(shard) {}

  absl::StatusOr<Opened> Open(core::Epoch epoch) override {
    MutexLock lock(&db_->mu);
    open_ = false;
    WEIR_CHECK(!outcome_.has_value(), "Open while an append is outstanding");
    read_.reset();
    if (!db_->HasShard(shard_no_)) return NoSuchShardError(shard_no_);
    epoch_ = epoch;
    MemoryShard& shard = Shard();
    if (shard.epoch != epoch) return FencedError(shard_no_, epoch);
    std::erase_if(shard.segments, [](const auto& entry) { return entry.second.retired; });
    next_log_no_ = core::LogNo(1);
    if (shard.segments.empty()) CreateSegment(shard, next_log_no_);
    Opened opened{.now = db_->Now()};
    for (const auto& [number, segment] : shard.segments) {
      opened.segments.push_back(
          {.segment = number,
           .first_log_no = segment.first_log_no,
           .rows = static_cast<int64_t>(segment.messages.size() + segment.events.size())});
      RaiseNextLogNo(segment);
    }
    opened.next_log_no = next_log_no_;
    opened.active_segment = active_ = shard.segments.rbegin()->first;
    open_ = true;
    return opened;
  }

  absl::Status CheckEpoch() override {
    MutexLock lock(&db_->mu);
    if (!open_) return LogNotOpenError(shard_no_);
    WEIR_CHECK(!outcome_.has_value(), "an append is outstanding");
    open_ = Shard().epoch == epoch_;
    return open_ ? absl::OkStatus() : FencedError(shard_no_, epoch_);
  }

  absl::Status ReadEvents(EventVisitor visit) override {
    MutexLock lock(&db_->mu);
    if (!open_) return LogNotOpenError(shard_no_);
    for (const auto& [number, segment] : Shard().segments) {
      if (segment.retired) continue;
      for (const core::AppendEvent& event : segment.events) {
        if (absl::Status status = visit(number, event); !status.ok()) {
          open_ = false;
          return status;
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadMetas(MetaVisitor visit) override {
    MutexLock lock(&db_->mu);
    if (!open_) return LogNotOpenError(shard_no_);
    for (const auto& [number, segment] : Shard().segments) {
      if (segment.retired) continue;
      for (const MemoryMessageRow& row : segment.messages) {
        if (segment.IsSuperseded(row)) continue;
        core::MessageMeta meta = row.meta;
        if (!row.content->deduplication_id.empty()) {
          meta.deduplication = std::make_shared<const core::DeduplicationMeta>(
              core::DeduplicationMeta{row.content->deduplication_id, row.content->message_id});
        }
        if (absl::Status status = visit(row.partition, row.log_no, meta); !status.ok()) {
          open_ = false;
          return status;
        }
      }
    }
    return absl::OkStatus();
  }

  // The commit happens here; FinishAppend only tells its outcome. A real store may commit at any moment in between.
  void BeginAppend(const AppendBatch& batch) override {
    WEIR_CHECK(!outcome_.has_value(), "an append is outstanding");
    MutexLock lock(&db_->mu);
    outcome_ = Append(batch);
    if (outcome_ != CommitOutcome::kCommitted) open_ = false;
  }

  CommitOutcome FinishAppend() override {
    WEIR_CHECK(outcome_.has_value(), "no append is outstanding");
    return *std::exchange(outcome_, std::nullopt);
  }

  absl::StatusOr<std::vector<StoredMessage>> ReadRange(core::PartitionId partition,
                                                       core::MessageSeq from, size_t max_messages,
                                                       size_t max_bytes) override {
    return Collect(
        [&](const MemoryMessageRow& row) {
          return row.partition == partition && row.meta.seq >= from;
        },
        max_messages, max_bytes);
  }

  // The read happens here, so that it shows nothing that comes later. A real store may read at any moment in between.
  void BeginReadRange(core::PartitionId partition, core::MessageSeq from, size_t max_messages,
                      size_t max_bytes) override {
    WEIR_CHECK(!read_.has_value(), "a read is outstanding");
    read_ = ReadRange(partition, from, max_messages, max_bytes);
  }

  absl::StatusOr<std::vector<StoredMessage>> FinishReadRange() override {
    WEIR_CHECK(read_.has_value(), "no read is outstanding");
    return *std::exchange(read_, std::nullopt);
  }

  absl::StatusOr<std::vector<StoredMessage>> ReadMessages(
      absl::Span<const MessageKey> keys) override {
    absl::flat_hash_set<std::pair<core::PartitionId, core::MessageSeq>> wanted;
    for (const MessageKey& key : keys) wanted.emplace(key.partition, key.seq);
    return Collect([&](const MemoryMessageRow& row) {
      return wanted.contains(std::make_pair(row.partition, row.meta.seq));
    });
  }

  absl::StatusOr<std::vector<StoredMessage>> ReadSegment(core::SegmentNo segment,
                                                         size_t max_messages,
                                                         size_t max_bytes) override {
    {
      MutexLock lock(&db_->mu);
      if (open_ && !IsLive(segment)) return NoSuchSegmentError(shard_no_, segment);
    }
    return Collect([&](const MemoryMessageRow& row) { return row.meta.segment == segment; },
                   max_messages, max_bytes, /*by_partition=*/true);
  }

  absl::StatusOr<core::SegmentNo> StartSegment(core::LogNo first_log_no) override {
    MutexLock lock(&db_->mu);
    if (!open_) return LogNotOpenError(shard_no_);
    WEIR_CHECK(!outcome_.has_value(), "an append is outstanding");
    WEIR_CHECK(first_log_no >= next_log_no_, "a segment must start above every row");
    if (Shard().epoch != epoch_) {
      open_ = false;
      return FencedError(shard_no_, epoch_);
    }
    CreateSegment(Shard(), first_log_no);
    next_log_no_ = first_log_no;
    active_ = Shard().last_segment;
    return active_;
  }

  absl::Status DropSegment(core::SegmentNo segment) override {
    MutexLock lock(&db_->mu);
    if (!open_) return LogNotOpenError(shard_no_);
    WEIR_CHECK(segment != active_, "the active segment cannot be dropped");
    if (Shard().epoch != epoch_) {
      open_ = false;
      return FencedError(shard_no_, epoch_);
    }
    Shard().segments.erase(segment);
    std::erase_if(Shard().segments, [](const auto& entry) { return entry.second.retired; });
    return absl::OkStatus();
  }

 private:
  MemoryShard& Shard() ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_->mu) {
    return db_->shards[static_cast<size_t>(shard_no_.value())];
  }

  bool IsLive(core::SegmentNo segment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_->mu) {
    const auto it = Shard().segments.find(segment);
    return it != Shard().segments.end() && !it->second.retired;
  }

  void CreateSegment(MemoryShard& shard, core::LogNo first_log_no) {
    shard.last_segment = shard.last_segment.Next();
    shard.segments[shard.last_segment].first_log_no = first_log_no;
  }

  void RaiseNextLogNo(const MemorySegment& segment) {
    next_log_no_ = std::max(next_log_no_, segment.first_log_no);
    for (const auto& row : segment.messages) RaiseNextLogNo(row.log_no);
    for (const auto& row : segment.events) RaiseNextLogNo(row.log_no);
  }
  void RaiseNextLogNo(core::LogNo used) { next_log_no_ = std::max(next_log_no_, used.Next()); }

  CommitOutcome Append(const AppendBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_->mu) {
    if (!open_) return CommitOutcome::kRejected;
    MemoryShard& shard = Shard();
    if (shard.epoch != epoch_) return CommitOutcome::kFenced;
    WEIR_CHECK(batch.segment == active_, "appends go to the active segment");
    MemorySegment& segment = shard.segments.at(active_);
    for (const core::AppendMessage& message : batch.messages) {
      segment.messages.push_back({message.log_no, message.partition,
                                  RoundedMeta(message.meta, active_, *message.content),
                                  message.content, message.consumer});
      RaiseNextLogNo(message.log_no);
    }
    for (core::AppendEvent event : batch.events) {
      event.at = MemoryDatabase::Rounded(event.at);
      event.visible_at = MemoryDatabase::Rounded(event.visible_at);
      segment.events.push_back(event);
      RaiseNextLogNo(event.log_no);
    }
    if (batch.copied.has_value()) {
      const std::pair to(batch.copied->partition, batch.copied->seq);
      MemorySegment& copied = shard.segments.at(batch.copied->segment);
      WEIR_CHECK(batch.copied->segment != active_ && copied.copied_to < to,
                 "only an old segment is copied, and forward");
      copied.copied_to = to;
    }
    if (batch.retire.has_value()) {
      WEIR_CHECK(*batch.retire != active_ && IsLive(*batch.retire), "only an old segment retires");
      shard.segments.at(*batch.retire).retired = true;
    }
    return CommitOutcome::kCommitted;
  }

  // Of the live segments, in the order of seq, or of (partition, seq).
  absl::StatusOr<std::vector<StoredMessage>> Collect(
      absl::FunctionRef<bool(const MemoryMessageRow&)> wanted, size_t max_messages = SIZE_MAX,
      size_t max_bytes = SIZE_MAX, bool by_partition = false) {
    MutexLock lock(&db_->mu);
    if (!open_) return LogNotOpenError(shard_no_);
    std::vector<const MemoryMessageRow*> rows;
    for (const auto& [number, segment] : Shard().segments) {
      if (segment.retired) continue;
      for (const MemoryMessageRow& row : segment.messages) {
        if (wanted(row) && !segment.IsSuperseded(row)) rows.push_back(&row);
      }
    }
    std::sort(rows.begin(), rows.end(), [by_partition](const auto* a, const auto* b) {
      return by_partition ? std::pair(a->partition, a->meta.seq) < std::pair(b->partition, b->meta.seq)
                          : a->meta.seq < b->meta.seq;
    });
    std::vector<StoredMessage> messages;
    size_t bytes = 0;
    for (const MemoryMessageRow* row : rows) {
      if (messages.size() >= max_messages) break;
      bytes += row->content->body.size();
      if (!messages.empty() && bytes > max_bytes) break;
      messages.push_back({row->partition, row->log_no, row->meta, row->content});
    }
    return messages;
  }

  const std::shared_ptr<MemoryDatabase> db_;
  const core::ShardId shard_no_;
  core::Epoch epoch_;
  core::SegmentNo active_;
  core::LogNo next_log_no_;
  bool open_ = false;
  std::optional<CommitOutcome> outcome_;  // of the append that is outstanding
  std::optional<absl::StatusOr<std::vector<StoredMessage>>> read_;  // the one that is outstanding
};

}  // namespace

std::unique_ptr<ShardLog> NewMemoryShardLog(std::shared_ptr<MemoryDatabase> db,
                                            core::ShardId shard) {
  return std::make_unique<MemoryShardLog>(std::move(db), shard);
}

}  // namespace weir::queue::store
