#include "services/queue/store/pg/pg_shard_log.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/queue/store/pg/journal_session.h"
#include "services/queue/store/pg/row_codec.h"
#include "services/queue/store/pg/segment_catalogue.h"
#include "services/queue/store/pg/shard_schema.h"
#include "services/queue/store/store_errors.h"

namespace weir::queue::store {
namespace {

constexpr absl::string_view kLockNotAvailable = "55P03";

// Reading a whole table may take longer than any append, and holds no fence.
constexpr absl::Duration kTableReadTimeout = absl::Minutes(10);

// The plans that the tables of a log want. They are never analysed (autovacuum is off), so the planner knows nothing of them: reads are
// told to use the index, and an append has one plan for ever. Scans start at the beginning, so that rows come in the order of the log.
constexpr absl::string_view kSessionSettings =
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off;"
    " SET enable_bitmapscan = off; SET enable_sort = off; SET synchronize_seqscans = off;"
    " SET default_transaction_isolation = 'read committed';";

int64_t Millis(absl::Duration duration) { return absl::ToInt64Milliseconds(duration); }

std::string AppendName(core::SegmentNo segment, AppendShape shape) {
  return absl::StrCat("append_", segment.value(), "_", shape.messages ? "m" : "",
                      shape.events ? "e" : "", shape.catalogue ? "c" : "");
}

// Newest row first where a seq has several; keeps that one.
void KeepNewest(std::vector<StoredMessage>& messages) {
  std::sort(messages.begin(), messages.end(), [](const StoredMessage& a, const StoredMessage& b) {
    return std::pair(a.meta.seq, b.log_no) < std::pair(b.meta.seq, a.log_no);
  });
  const auto end = std::unique(messages.begin(), messages.end(),
                               [](const StoredMessage& a, const StoredMessage& b) {
                                 return a.meta.seq == b.meta.seq && a.partition == b.partition;
                               });
  messages.erase(end, messages.end());
}

class PgShardLog final : public ShardLog {
 public:
  PgShardLog(std::shared_ptr<const PgShardLogOptions> options, core::ShardId shard)
      : options_(std::move(options)), shard_(shard) {}

  absl::StatusOr<Opened> Open(core::Epoch epoch) override;
  absl::Status CheckEpoch() override;
  absl::Status ReadEvents(EventVisitor visit) override;
  absl::Status ReadMetas(MetaVisitor visit) override;
  void BeginAppend(const AppendBatch& batch) override;
  CommitOutcome FinishAppend() override;
  absl::StatusOr<std::vector<StoredMessage>> ReadRange(core::PartitionId partition,
                                                       core::MessageSeq from, size_t max_messages,
                                                       size_t max_bytes) override;
  void BeginReadRange(core::PartitionId partition, core::MessageSeq from, size_t max_messages,
                      size_t max_bytes) override;
  absl::StatusOr<std::vector<StoredMessage>> FinishReadRange() override;
  absl::StatusOr<std::vector<StoredMessage>> ReadMessages(absl::Span<const MessageKey> keys) override;
  absl::StatusOr<std::vector<StoredMessage>> ReadSegment(core::SegmentNo segment, size_t max_messages,
                                                         size_t max_bytes) override;
  absl::StatusOr<core::SegmentNo> StartSegment(core::LogNo first_log_no) override;
  absl::Status DropSegment(core::SegmentNo segment) override;

 private:
  using RowVisitor = absl::FunctionRef<absl::Status(absl::Span<const PgField>)>;

  struct Range {
    core::PartitionId partition;
    core::MessageSeq from;
    size_t max_messages = 0;
    size_t max_bytes = 0;
  };
  struct BegunRead {
    Range range;
    SegmentCatalogue::Window window;
    bool sent = false;  // to reader_
  };

  absl::StatusOr<Opened> OpenSession();
  absl::StatusOr<std::unique_ptr<JournalSession>> Connect() const;
  absl::Status ReadEpoch();
  absl::Status LoadCatalogue();
  // Counts the rows of the active segment; answers the log number above all.
  absl::StatusOr<core::LogNo> ReadActive();

  // What appends to the active segment need.
  absl::Status PrepareAppends();
  absl::Status PrepareAppend(AppendShape shape);
  bool Send(const AppendBatch& batch);
  void NoteCommitted(const AppendBatch& batch);

  // The fence, then `sql`, in one transaction.
  absl::Status RunFenced(const std::string& sql);
  // DROP of one segment; false: somebody reads it.
  absl::StatusOr<bool> TryDrop(core::SegmentNo segment, absl::Duration lock_timeout);
  void DropRetired();

  // All rows of a query, in binary, with no limit of time but the table read's.
  absl::Status VisitRows(const std::string& query, size_t columns, RowVisitor visit);
  struct WindowRead {
    std::vector<StoredMessage> messages;  // in the order of seq
    bool whole = false;                   // nothing was left for the limits' sake
  };
  // A condition that leaves out the segment's superseded rows; `and_where` comes before it. Empty: there are none.
  std::string NotSuperseded(core::SegmentNo segment, absl::string_view and_where,
                            absl::string_view alias = "") const;
  std::string WindowSql(const SegmentCatalogue::Window& window) const;
  static std::vector<std::string> WindowParams(const SegmentCatalogue::Window& window, const Range& range);
  static absl::StatusOr<WindowRead> DecodeWindow(const PgRows& rows, size_t max_messages);
  // Sends the begun read's first window to the reader.
  absl::Status SendRead(const BegunRead& read);

  // A failure that leaves the connection in doubt ends this opening.
  absl::Status Fail(absl::Status status);
  template <typename T>
  absl::StatusOr<T> Fail(absl::StatusOr<T> result) {
    if (!result.ok()) return Fail(std::move(result).status());
    return result;
  }

  const std::shared_ptr<const PgShardLogOptions> options_;
  const core::ShardId shard_;
  core::Epoch epoch_;
  std::unique_ptr<JournalSession> session_;  // null: not open
  // Reads ranges while the session appends. Null: not needed yet, or lost; then the session reads them.
  std::unique_ptr<JournalSession> reader_;
  std::string reader_sql_;  // what it has prepared
  std::optional<BegunRead> begun_;
  SegmentCatalogue catalogue_;
  PgOid messages_type_ = 0;
  PgOid events_type_ = 0;
  bool catalogue_append_prepared_ = false;

  const AppendBatch* outstanding_ = nullptr;
  bool sent_ = false;
  // Kept between appends: they grow to the usual size of a group.
  std::string messages_param_;
  std::string events_param_;
};

// ---- Opening -----------------------------------------------------------------------------------------------------------

absl::StatusOr<ShardLog::Opened> PgShardLog::Open(core::Epoch epoch) {
  WEIR_CHECK(outstanding_ == nullptr, "Open while an append is outstanding");
  epoch_ = epoch;
  session_.reset();
  reader_.reset();
  begun_.reset();
  return Fail(OpenSession());
}

absl::StatusOr<ShardLog::Opened> PgShardLog::OpenSession() {
  WEIR_ASSIGN_OR_RETURN(session_, Connect());
  WEIR_RETURN_IF_ERROR(ReadEpoch());
  WEIR_RETURN_IF_ERROR(LoadCatalogue());
  if (catalogue_.empty()) {
    const core::SegmentNo first(1);
    WEIR_RETURN_IF_ERROR(RunFenced(StartSegmentSql(shard_, first, core::LogNo(1))));
    catalogue_.Start(first, core::LogNo(1));
  }
  DropRetired();
  if (session_->broken()) return LogNotOpenError(shard_);
  WEIR_RETURN_IF_ERROR(PrepareAppends());

  Opened opened;
  WEIR_ASSIGN_OR_RETURN(opened.next_log_no, ReadActive());
  WEIR_ASSIGN_OR_RETURN(const PgRows now, session_->Query("SELECT clock_timestamp()"));
  WEIR_ASSIGN_OR_RETURN(opened.now, DecodeTime(now.At(0, 0)));
  opened.active_segment = catalogue_.active().segment;
  for (const CatalogueEntry& entry : catalogue_.entries()) {
    if (entry.retired) continue;
    opened.segments.push_back(
        {.segment = entry.segment, .first_log_no = entry.first_log_no, .rows = entry.rows});
  }
  return opened;
}

absl::StatusOr<std::unique_ptr<JournalSession>> PgShardLog::Connect() const {
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<JournalSession> session,
                        JournalSession::Connect(options_->conninfo, options_->answer_timeout));
  WEIR_RETURN_IF_ERROR(session->Execute(absl::StrCat(
      kSessionSettings, " SET statement_timeout = ", Millis(options_->statement_timeout),
      "; SET idle_in_transaction_session_timeout = ", Millis(options_->statement_timeout))));
  return session;
}

absl::Status PgShardLog::CheckEpoch() {
  WEIR_CHECK(outstanding_ == nullptr, "an append is outstanding");
  if (session_ == nullptr) return LogNotOpenError(shard_);
  return Fail(ReadEpoch());
}

absl::Status PgShardLog::ReadEpoch() {
  WEIR_ASSIGN_OR_RETURN(const PgRows rows,
                        session_->Query("SELECT epoch FROM queue.shards WHERE shard = $1::bigint",
                                        {EncodeInt64(shard_.value())}));
  if (rows.size() == 0) return NoSuchShardError(shard_);
  WEIR_ASSIGN_OR_RETURN(const int64_t epoch, DecodeInt64(rows.At(0, 0)));
  return epoch == epoch_.value() ? absl::OkStatus() : FencedError(shard_, epoch_);
}

absl::Status PgShardLog::LoadCatalogue() {
  WEIR_ASSIGN_OR_RETURN(
      const PgRows rows,
      session_->Query(absl::StrCat("SELECT segment::bigint, first_log_no, lowest_seq,"
                                   " retired::int::bigint, rows, copied_partition, copied_seq FROM ",
                                   SegmentsTable(shard_), " ORDER BY segment")));
  std::vector<CatalogueEntry> entries;
  for (int i = 0; i < rows.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const int64_t segment, DecodeInt64(rows.At(i, 0)));
    WEIR_ASSIGN_OR_RETURN(const int64_t first_log_no, DecodeInt64(rows.At(i, 1)));
    WEIR_ASSIGN_OR_RETURN(const int64_t lowest_seq, DecodeInt64(rows.At(i, 2)));
    WEIR_ASSIGN_OR_RETURN(const int64_t retired, DecodeInt64(rows.At(i, 3)));
    CatalogueEntry entry{.segment = core::SegmentNo(static_cast<int32_t>(segment)),
                         .first_log_no = core::LogNo(first_log_no),
                         .lowest_seq = core::MessageSeq(lowest_seq),
                         .retired = retired != 0};
    // The active one's are not recorded yet.
    if (!rows.At(i, 4).is_null()) {
      WEIR_ASSIGN_OR_RETURN(entry.rows, DecodeInt64(rows.At(i, 4)));
    }
    if (!rows.At(i, 5).is_null()) {
      WEIR_ASSIGN_OR_RETURN(const int64_t partition, DecodeInt64(rows.At(i, 5)));
      WEIR_ASSIGN_OR_RETURN(const int64_t seq, DecodeInt64(rows.At(i, 6)));
      entry.copied_to = CopiedTo{core::PartitionId(partition), core::MessageSeq(seq)};
    }
    entries.push_back(entry);
  }
  catalogue_ = SegmentCatalogue(std::move(entries));
  return absl::OkStatus();
}

absl::StatusOr<core::LogNo> PgShardLog::ReadActive() {
  // A segment starts above every older row, so the active one tells the next number.
  CatalogueEntry& active = catalogue_.active();
  WEIR_ASSIGN_OR_RETURN(
      const PgRows rows,
      session_->Query(absl::Substitute(
          "SELECT m.n + e.n, greatest($0::bigint, 1 + m.last, 1 + e.last)"
          " FROM (SELECT count(log_no) AS n, max(log_no) AS last FROM $1) m,"
          " (SELECT count(log_no) AS n, max(log_no) AS last FROM $2) e",
          active.first_log_no.value(), MessagesTable(shard_, active.segment),
          EventsTable(shard_, active.segment))));
  WEIR_ASSIGN_OR_RETURN(active.rows, DecodeInt64(rows.At(0, 0)));
  WEIR_ASSIGN_OR_RETURN(const int64_t next, DecodeInt64(rows.At(0, 1)));
  return core::LogNo(next);
}

// ---- Appending ---------------------------------------------------------------------------------------------------------

absl::Status PgShardLog::PrepareAppends() {
  const core::SegmentNo active = catalogue_.active().segment;
  WEIR_ASSIGN_OR_RETURN(
      const PgRows rows,
      session_->Query(absl::Substitute(
          "SELECT (SELECT reltype::bigint FROM pg_catalog.pg_class WHERE oid = '$0'::regclass),"
          " (SELECT reltype::bigint FROM pg_catalog.pg_class WHERE oid = '$1'::regclass)",
          MessagesTable(shard_, active), EventsTable(shard_, active))));
  WEIR_ASSIGN_OR_RETURN(const int64_t messages_type, DecodeInt64(rows.At(0, 0)));
  WEIR_ASSIGN_OR_RETURN(const int64_t events_type, DecodeInt64(rows.At(0, 1)));
  messages_type_ = static_cast<PgOid>(messages_type);
  events_type_ = static_cast<PgOid>(events_type);
  WEIR_RETURN_IF_ERROR(session_->Execute("DEALLOCATE ALL"));
  catalogue_append_prepared_ = false;
  WEIR_RETURN_IF_ERROR(PrepareAppend({.messages = true}));
  WEIR_RETURN_IF_ERROR(PrepareAppend({.events = true}));
  return PrepareAppend({.messages = true, .events = true});
}

absl::Status PgShardLog::PrepareAppend(AppendShape shape) {
  const core::SegmentNo active = catalogue_.active().segment;
  return session_->Prepare(AppendName(active, shape), AppendSql(shard_, epoch_, active, shape));
}

void PgShardLog::BeginAppend(const AppendBatch& batch) {
  WEIR_CHECK(outstanding_ == nullptr, "an append is outstanding");
  WEIR_CHECK(!batch.empty(), "an append must have rows");
  outstanding_ = &batch;
  sent_ = session_ != nullptr && Send(batch);
}

bool PgShardLog::Send(const AppendBatch& batch) {
  const CatalogueEntry& active = catalogue_.active();
  WEIR_CHECK(batch.segment == active.segment, "appends go to the active segment");
  core::MessageSeq lowest(INT64_MAX);
  for (const core::AppendMessage& message : batch.messages) {
    lowest = std::min(lowest, message.meta.seq);
  }
  AppendShape shape{.messages = !batch.messages.empty(),
                    .events = !batch.events.empty(),
                    .catalogue = batch.retire.has_value() || batch.copied.has_value() ||
                                 lowest < active.lowest_seq};
  if (shape.catalogue) {
    // Rare, so it has one plan, with all parts.
    shape.messages = shape.events = true;
    if (!catalogue_append_prepared_ && !PrepareAppend(shape).ok()) return false;
    catalogue_append_prepared_ = true;
  }
  std::vector<const std::string*> params;
  if (shape.messages) {
    EncodeMessages(messages_type_, batch.messages, messages_param_);
    params.push_back(&messages_param_);
  }
  if (shape.events) {
    EncodeEvents(events_type_, batch.events, events_param_);
    params.push_back(&events_param_);
  }
  std::vector<std::string> catalogue;
  if (shape.catalogue) {
    const AppendBatch::Copied copied = batch.copied.value_or(AppendBatch::Copied{});
    catalogue = {EncodeInt64(batch.retire.value_or(core::SegmentNo(0)).value()),
                 EncodeInt64(lowest.value()), EncodeInt64(copied.segment.value()),
                 EncodeInt64(copied.partition.value()), EncodeInt64(copied.seq.value())};
    for (const std::string& param : catalogue) params.push_back(&param);
  }
  return session_->Send(AppendName(active.segment, shape), params);
}

CommitOutcome PgShardLog::FinishAppend() {
  WEIR_CHECK(outstanding_ != nullptr, "no append is outstanding");
  const AppendBatch& batch = *std::exchange(outstanding_, nullptr);
  if (!std::exchange(sent_, false)) {
    session_.reset();
    return CommitOutcome::kRejected;
  }
  const JournalSession::Finished finished = session_->Finish();
  if (finished.how == JournalSession::Finished::How::kDone) {
    const absl::StatusOr<int64_t> fences = DecodeInt64(finished.rows.At(0, 0));
    if (fences.ok() && *fences == 1) {
      NoteCommitted(batch);
      return CommitOutcome::kCommitted;
    }
    session_.reset();
    return fences.ok() ? CommitOutcome::kFenced : CommitOutcome::kInDoubt;
  }
  observe::Log(observe::Level::kWarning, "append failed",
               {{"shard", absl::StrCat(shard_.value())}, {"error", finished.status.ToString()}});
  session_.reset();
  return finished.how == JournalSession::Finished::How::kRefused ? CommitOutcome::kRejected
                                                                 : CommitOutcome::kInDoubt;
}

void PgShardLog::NoteCommitted(const AppendBatch& batch) {
  CatalogueEntry& active = catalogue_.active();
  active.rows += static_cast<int64_t>(batch.messages.size() + batch.events.size());
  for (const core::AppendMessage& message : batch.messages) {
    active.lowest_seq = std::min(active.lowest_seq, message.meta.seq);
  }
  if (batch.copied.has_value()) {
    catalogue_.NoteCopied(batch.copied->segment, {batch.copied->partition, batch.copied->seq});
  }
  if (batch.retire.has_value()) catalogue_.Retire(*batch.retire);
}

// ---- Reading -----------------------------------------------------------------------------------------------------------

absl::Status PgShardLog::VisitRows(const std::string& query, size_t columns, RowVisitor visit) {
  WEIR_RETURN_IF_ERROR(session_->Execute(
      absl::StrCat("BEGIN; SET LOCAL statement_timeout = ", Millis(kTableReadTimeout))));
  CopyParser parser(columns);
  const absl::Status copied = session_->CopyOut(
      absl::StrCat("COPY (", query, ") TO STDOUT (FORMAT binary)"),
      [&](absl::string_view chunk) -> absl::Status {
        parser.Feed(chunk);
        while (true) {
          WEIR_ASSIGN_OR_RETURN(const absl::Span<const PgField> row, parser.Next());
          if (row.empty()) return absl::OkStatus();
          WEIR_RETURN_IF_ERROR(visit(row));
        }
      });
  if (!session_->broken()) WEIR_RETURN_IF_ERROR(session_->Execute("ROLLBACK"));
  WEIR_RETURN_IF_ERROR(copied);
  WEIR_CHECK(parser.done(), "a COPY that ended well has its trailer");
  return absl::OkStatus();
}

absl::Status PgShardLog::ReadEvents(EventVisitor visit) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  for (const core::SegmentNo segment : catalogue_.Live()) {
    const std::string query =
        absl::StrCat("SELECT ", kEventColumns, " FROM ", EventsTable(shard_, segment));
    WEIR_RETURN_IF_ERROR(Fail(VisitRows(
        query, kEventColumnCount, [&](absl::Span<const PgField> row) -> absl::Status {
          WEIR_ASSIGN_OR_RETURN(const core::AppendEvent event, DecodeEvent(row));
          return visit(segment, event);
        })));
  }
  return absl::OkStatus();
}

absl::Status PgShardLog::ReadMetas(MetaVisitor visit) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  for (const core::SegmentNo segment : catalogue_.Live()) {
    const std::string query =
        absl::StrCat("SELECT ", kMetaColumns, " FROM ", MessagesTable(shard_, segment),
                     NotSuperseded(segment, " WHERE "));
    WEIR_RETURN_IF_ERROR(Fail(VisitRows(
        query, kMetaColumnCount, [&](absl::Span<const PgField> row) -> absl::Status {
          WEIR_ASSIGN_OR_RETURN(const StoredMessage message, DecodeMeta(row, segment));
          return visit(message.partition, message.log_no, message.meta);
        })));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredMessage>> PgShardLog::ReadRange(core::PartitionId partition,
                                                                 core::MessageSeq from,
                                                                 size_t max_messages,
                                                                 size_t max_bytes) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  std::vector<StoredMessage> messages;
  size_t bytes = 0;
  while (messages.size() < max_messages && bytes < max_bytes) {
    const SegmentCatalogue::Window window = catalogue_.WindowFrom(from);
    const Range rest = {partition, from, max_messages - messages.size(), max_bytes - bytes};
    WEIR_ASSIGN_OR_RETURN(const PgRows rows,
                          Fail(session_->Query(WindowSql(window), WindowParams(window, rest))));
    WEIR_ASSIGN_OR_RETURN(WindowRead read, Fail(DecodeWindow(rows, rest.max_messages)));
    for (StoredMessage& message : read.messages) {
      bytes += message.content->body.size();
      // The first of a further window may be too large.
      if (!messages.empty() && bytes > max_bytes) return messages;
      messages.push_back(std::move(message));
    }
    if (!read.whole || !window.below.has_value()) break;
    from = *window.below;
  }
  return messages;
}

void PgShardLog::BeginReadRange(core::PartitionId partition, core::MessageSeq from, size_t max_messages,
                                size_t max_bytes) {
  WEIR_CHECK(!begun_.has_value(), "a read is outstanding");
  begun_ = BegunRead{.range = {partition, from, max_messages, max_bytes}, .window = catalogue_.WindowFrom(from)};
  if (session_ == nullptr) return;
  const absl::Status sent = SendRead(*begun_);
  begun_->sent = sent.ok();
  if (sent.ok()) return;
  reader_.reset();
  observe::Log(observe::Level::kWarning, "no connection of its own for reads of the backlog; appends wait for them",
               {{"shard", absl::StrCat(shard_.value())}, {"error", sent.ToString()}});
}

absl::Status PgShardLog::SendRead(const BegunRead& read) {
  if (reader_ == nullptr) {
    WEIR_ASSIGN_OR_RETURN(reader_, Connect());
    reader_sql_.clear();
  }
  // A window lasts for many reads.
  std::string sql = WindowSql(read.window);
  if (sql != reader_sql_) {
    WEIR_RETURN_IF_ERROR(reader_->Execute("DEALLOCATE ALL"));
    WEIR_RETURN_IF_ERROR(reader_->Prepare("window", sql));
    reader_sql_ = std::move(sql);
  }
  reader_->SendPrepared("window", WindowParams(read.window, read.range));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredMessage>> PgShardLog::FinishReadRange() {
  WEIR_CHECK(begun_.has_value(), "no read is outstanding");
  if (session_ == nullptr) return LogNotOpenError(shard_);
  const BegunRead begun = *std::exchange(begun_, std::nullopt);
  Range rest = begun.range;
  if (begun.sent) {
    const absl::StatusOr<PgRows> rows = reader_->Await();
    if (rows.ok()) {
      WEIR_ASSIGN_OR_RETURN(WindowRead read, Fail(DecodeWindow(*rows, rest.max_messages)));
      if (!read.messages.empty() || !begun.window.below.has_value()) return std::move(read.messages);
      rest.from = *begun.window.below;
    } else {
      reader_.reset();
    }
  }
  return ReadRange(rest.partition, rest.from, rest.max_messages, rest.max_bytes);
}

std::string PgShardLog::WindowSql(const SegmentCatalogue::Window& window) const {
  std::vector<std::string> parts;
  for (const core::SegmentNo segment : window.segments) {
    parts.push_back(absl::Substitute(
        "(SELECT $0, $1::bigint AS segment FROM $2 WHERE partition_id = $$1::bigint"
        " AND seq >= $$2::bigint AND seq < $$3::bigint$3 ORDER BY seq)",
        kMessageColumns, segment.value(), MessagesTable(shard_, segment),
        NotSuperseded(segment, " AND ")));
  }
  // Segments that are in order by themselves, inside a query that orders them, are merged as far as the limit goes; a UNION that
  // carries the ORDER BY itself would read and sort all that they have. The size of a body is known without reading it, so what is
  // over the limit is never fetched. All windows run along seq, so that rows pass through them and are not put aside.
  return absl::Substitute(
      "SELECT $0, segment, follows FROM (SELECT r.*, row_number() OVER w AS nth,"
      " sum(octet_length(body)) OVER w AS bytes, lead(seq) OVER w AS follows"
      " FROM (SELECT * FROM ($1) u ORDER BY seq LIMIT $$4::bigint) r"
      " WINDOW w AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)) s"
      " WHERE bytes <= $$5::bigint OR nth = 1",
      kMessageColumns, absl::StrJoin(parts, " UNION ALL "));
}

std::vector<std::string> PgShardLog::WindowParams(const SegmentCatalogue::Window& window, const Range& range) {
  const auto capped = [](size_t value) {
    return EncodeInt64(static_cast<int64_t>(std::min<size_t>(value, INT64_MAX)));
  };
  return {EncodeInt64(range.partition.value()), EncodeInt64(range.from.value()),
          EncodeInt64(window.below.value_or(core::MessageSeq(INT64_MAX)).value()), capped(range.max_messages),
          capped(range.max_bytes)};
}

absl::StatusOr<PgShardLog::WindowRead> PgShardLog::DecodeWindow(const PgRows& rows, size_t max_messages) {
  WindowRead read;
  read.messages.reserve(static_cast<size_t>(rows.size()));
  bool cut_by_size = false;
  std::vector<PgField> row;
  for (int i = 0; i < rows.size(); ++i) {
    rows.Row(i, row);
    WEIR_ASSIGN_OR_RETURN(const int64_t segment, DecodeInt64(row[kMessageColumnCount]));
    cut_by_size = !row[kMessageColumnCount + 1].is_null();  // the last one tells: something follows that was not fetched
    WEIR_ASSIGN_OR_RETURN(StoredMessage message,
                          DecodeMessage(absl::MakeConstSpan(row).first(kMessageColumnCount),
                                        core::SegmentNo(static_cast<int32_t>(segment))));
    read.messages.push_back(std::move(message));
  }
  read.whole = !cut_by_size && static_cast<size_t>(rows.size()) < max_messages;
  KeepNewest(read.messages);
  return read;
}

absl::StatusOr<std::vector<StoredMessage>> PgShardLog::ReadMessages(
    absl::Span<const MessageKey> keys) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  std::vector<core::MessageSeq> seqs;
  std::vector<int64_t> partition_values;
  std::vector<int64_t> seq_values;
  for (const MessageKey& key : keys) {
    seqs.push_back(key.seq);
    partition_values.push_back(key.partition.value());
    seq_values.push_back(key.seq.value());
  }
  std::vector<StoredMessage> messages;
  for (const core::SegmentNo segment : catalogue_.Holding(seqs)) {
    const std::string sql = absl::Substitute(
        "SELECT $0 FROM unnest($$1::bigint[], $$2::bigint[]) AS k(p, s)"
        " JOIN $1 m ON m.partition_id = k.p AND m.seq = k.s$2",
        kMessageColumns, MessagesTable(shard_, segment), NotSuperseded(segment, " AND ", "m."));
    WEIR_ASSIGN_OR_RETURN(
        const PgRows rows,
        Fail(session_->Query(sql,
                             {EncodeInt64Array(partition_values), EncodeInt64Array(seq_values)})));
    for (int i = 0; i < rows.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(StoredMessage message, DecodeMessage(rows.Row(i), segment));
      messages.push_back(std::move(message));
    }
  }
  KeepNewest(messages);
  return messages;
}

absl::StatusOr<std::vector<StoredMessage>> PgShardLog::ReadSegment(core::SegmentNo segment,
                                                                   size_t max_messages,
                                                                   size_t max_bytes) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  if (!catalogue_.IsLive(segment)) return NoSuchSegmentError(shard_, segment);
  const std::string sql = absl::Substitute(
      "SELECT $0 FROM (SELECT r.*, row_number() OVER w AS nth,"
      " sum(octet_length(body) + coalesce(octet_length(attributes), 0)) OVER w AS bytes"
      " FROM (SELECT * FROM $1$2 ORDER BY partition_id, seq LIMIT $$1::bigint) r"
      " WINDOW w AS (ORDER BY partition_id, seq ROWS UNBOUNDED PRECEDING)) s"
      " WHERE bytes <= $$2::bigint OR nth = 1 ORDER BY partition_id, seq",
      kMessageColumns, MessagesTable(shard_, segment), NotSuperseded(segment, " WHERE "));
  WEIR_ASSIGN_OR_RETURN(
      const PgRows rows,
      Fail(session_->Query(sql, {EncodeInt64(static_cast<int64_t>(max_messages)),
                                 EncodeInt64(static_cast<int64_t>(max_bytes))})));
  std::vector<StoredMessage> messages;
  for (int i = 0; i < rows.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(StoredMessage message, DecodeMessage(rows.Row(i), segment));
    messages.push_back(std::move(message));
  }
  return messages;
}

std::string PgShardLog::NotSuperseded(core::SegmentNo segment, absl::string_view and_where,
                                      absl::string_view alias) const {
  const std::optional<CopiedTo> to = catalogue_.CopiedToOf(segment);
  if (!to.has_value()) return "";
  return absl::Substitute("$0($1partition_id, $1seq) > ($2, $3)", and_where, alias,
                          to->partition.value(), to->seq.value());
}

// ---- Segments ----------------------------------------------------------------------------------------------------------

absl::Status PgShardLog::RunFenced(const std::string& sql) {
  // Statements sent together are one transaction.
  const absl::Status done = session_->Execute(absl::StrCat(FenceSql(shard_, epoch_), sql));
  if (!done.ok() && !session_->broken() && session_->last_sqlstate() == kFencedSqlState) {
    return FencedError(shard_, epoch_);
  }
  return done;
}

absl::StatusOr<core::SegmentNo> PgShardLog::StartSegment(core::LogNo first_log_no) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  WEIR_CHECK(outstanding_ == nullptr, "an append is outstanding");
  const CatalogueEntry& active = catalogue_.active();
  WEIR_CHECK(first_log_no >= active.first_log_no, "a segment must start above every row");
  const core::SegmentNo next = active.segment.Next();
  const absl::Status started =
      RunFenced(absl::StrCat(CloseSegmentSql(shard_, active.segment, active.rows),
                             StartSegmentSql(shard_, next, first_log_no)));
  if (!started.ok()) {
    // It may be there nevertheless, so what is known of the segments must be read anew.
    session_.reset();
    return started;
  }
  catalogue_.Start(next, first_log_no);
  WEIR_RETURN_IF_ERROR(Fail(PrepareAppends()));
  return next;
}

absl::Status PgShardLog::DropSegment(core::SegmentNo segment) {
  if (session_ == nullptr) return LogNotOpenError(shard_);
  WEIR_CHECK(outstanding_ == nullptr, "an append is outstanding");
  WEIR_CHECK(segment != catalogue_.active().segment, "the active segment cannot be dropped");
  if (catalogue_.Contains(segment)) {
    WEIR_ASSIGN_OR_RETURN(const bool dropped,
                          Fail(TryDrop(segment, options_->drop_lock_timeout)));
    if (dropped) {
      catalogue_.Remove(segment);
    } else if (catalogue_.IsLive(segment)) {
      WEIR_RETURN_IF_ERROR(Fail(RunFenced(RetireSegmentSql(shard_, segment))));
      catalogue_.Retire(segment);
      return absl::OkStatus();
    }
  }
  DropRetired();
  return session_->broken() ? Fail(LogNotOpenError(shard_)) : absl::OkStatus();
}

absl::StatusOr<bool> PgShardLog::TryDrop(core::SegmentNo segment, absl::Duration lock_timeout) {
  const absl::Status dropped = RunFenced(absl::StrCat("SET LOCAL lock_timeout = ",
                                                      std::max<int64_t>(1, Millis(lock_timeout)),
                                                      ";", DropSegmentSql(shard_, segment)));
  if (dropped.ok()) return true;
  if (!session_->broken() && session_->last_sqlstate() == kLockNotAvailable) return false;
  return dropped;
}

void PgShardLog::DropRetired() {
  for (const core::SegmentNo segment : catalogue_.Retired()) {
    // They were waited for once already.
    const absl::StatusOr<bool> dropped = TryDrop(segment, absl::Milliseconds(1));
    if (!dropped.ok()) {
      observe::Log(observe::Level::kWarning, "retired segment not dropped; it is tried again later",
                   {{"shard", absl::StrCat(shard_.value())},
                    {"segment", absl::StrCat(segment.value())},
                    {"error", dropped.status().ToString()}});
      return;
    }
    if (!*dropped) return;
    catalogue_.Remove(segment);
  }
}

absl::Status PgShardLog::Fail(absl::Status status) {
  if (!status.ok()) session_.reset();
  return status;
}

}  // namespace

std::unique_ptr<ShardLog> NewPgShardLog(std::shared_ptr<const PgShardLogOptions> options,
                                        core::ShardId shard) {
  return std::make_unique<PgShardLog>(std::move(options), shard);
}

}  // namespace weir::queue::store
