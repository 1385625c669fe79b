#include <numeric>

#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TYPED_TEST_SUITE(StoreConformance, Backends, BackendNames);

TYPED_TEST(StoreConformance, FirstOpenMakesASegment) {
  const ShardLog::Opened opened = this->Reopen();
  EXPECT_EQ(opened.next_log_no, core::LogNo(1));
  ASSERT_EQ(opened.segments.size(), 1u);
  EXPECT_EQ(opened.segments[0].segment, opened.active_segment);
  EXPECT_EQ(opened.segments[0].rows, 0);
  EXPECT_GT(opened.now, absl::FromUnixSeconds(1'600'000'000));
  EXPECT_THAT(this->Events(), IsEmpty());
  EXPECT_THAT(this->Metas(), IsEmpty());
}

TYPED_TEST(StoreConformance, OpenWithAnOldEpochIsRefused) {
  this->Reopen();
  const core::Epoch old = this->epoch_;
  ASSERT_TRUE(this->leases().AcquireShard(kShard, "me", Soon()).ok());
  EXPECT_EQ(ReasonOf(this->log_->Open(old).status()), ErrorReason::kShardNotOwned);
  EXPECT_EQ(this->Append({Message(1, 1)}), CommitOutcome::kRejected);
}

TYPED_TEST(StoreConformance, CheckEpochTellsWhetherTheShardWasTaken) {
  EXPECT_FALSE(this->backend_.logs().OpenLog(kShard)->CheckEpoch().ok());  // not open
  this->Reopen();
  EXPECT_TRUE(this->log_->CheckEpoch().ok());
  EXPECT_EQ(this->Append({Message(1, 1)}), CommitOutcome::kCommitted);
  EXPECT_TRUE(this->log_->CheckEpoch().ok());
  ASSERT_TRUE(this->leases().AcquireShard(kShard, "me", Soon()).ok());
  EXPECT_EQ(ReasonOf(this->log_->CheckEpoch()), ErrorReason::kShardNotOwned);
  EXPECT_EQ(this->Append({Message(2, 1)}), CommitOutcome::kRejected);
  this->Reopen();
  EXPECT_TRUE(this->log_->CheckEpoch().ok());
}

TYPED_TEST(StoreConformance, AVisitorMayEndTheReading) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1), Message(2, 1)},
                         {Event(3, core::EventKind::kAcked, 1, 1), Event(4, core::EventKind::kAcked, 1, 2)}),
            CommitOutcome::kCommitted);
  int seen = 0;
  EXPECT_TRUE(absl::IsCancelled(this->log_->ReadEvents([&](core::SegmentNo, const core::AppendEvent&) {
    ++seen;
    return absl::CancelledError("enough");
  })));
  EXPECT_EQ(seen, 1);
  this->Reopen();
  EXPECT_TRUE(absl::IsCancelled(
      this->log_->ReadMetas([&](core::PartitionId, core::LogNo, const core::MessageMeta&) {
        ++seen;
        return absl::CancelledError("enough");
      })));
  EXPECT_EQ(seen, 2);
  this->Reopen();
  EXPECT_EQ(this->Metas().size(), 2u);
}

TYPED_TEST(StoreConformance, OpenOfAShardThatIsNotThereFails) {
  auto log = this->backend_.logs().OpenLog(core::ShardId(9));
  EXPECT_EQ(ReasonOf(log->Open(core::Epoch(1)).status()), ErrorReason::kInternal);
}

TYPED_TEST(StoreConformance, EveryFieldOfAMessageComesBack) {
  this->Reopen();
  core::AppendMessage message = Message(7, 12, "body: \u00e9\u4e2d\U0001F600\t\r\n \x01\x7f");
  message.meta.seq = core::MessageSeq(5);
  message.meta.sent_at = absl::FromUnixMicros(1'700'000'000'123'456);
  message.meta.visible_at = absl::FromUnixMicros(1'700'000'900'000'001);
  message.meta.receive_count = 41;
  message.meta.first_received_at = absl::FromUnixMicros(1'700'000'100'000'000);
  message.meta.in_flight = true;
  message.meta.transfer = core::TransferId{core::PartitionId(3), core::MessageSeq(1234567890123)};
  std::string attributes(300, '\0');
  std::iota(attributes.begin(), attributes.end(), '\0');  // every byte
  message.content = std::make_shared<core::MessageContent>(core::MessageContent{
      .message_id = "0f8fad5b-d9cb-469f-a165-70867728950e",
      .body = message.content->body,
      .attributes = attributes,
      .message_group_id = "group-\u00fc",
      .deduplication_id = "dedup",
      .dead_letter_source_arn = "arn:aws:sqs:us-east-1:000000000000:source"});
  ASSERT_EQ(this->Append({message}), CommitOutcome::kCommitted);

  for (const bool reopened : {false, true}) {
    if (reopened) this->ReopenInNewProcess();
    const std::vector<StoredMessage> ranges =
        this->log_->ReadRange(core::PartitionId(12), core::MessageSeq(0), 10, 1000).value();
    const std::vector<StoredMessage> segment = this->ReadSegment(this->active_).value();
    for (const auto& read : {this->Read({{12, 5}}), ranges, segment}) {
      ASSERT_EQ(read.size(), 1u);
      EXPECT_EQ(read[0].partition, core::PartitionId(12));
      EXPECT_EQ(read[0].log_no, core::LogNo(7));
      EXPECT_EQ(read[0].meta.seq, core::MessageSeq(5));
      EXPECT_EQ(read[0].meta.segment, this->active_);
      EXPECT_EQ(read[0].content->message_id, message.content->message_id);
      EXPECT_EQ(read[0].content->body, message.content->body);
      EXPECT_EQ(read[0].content->attributes, attributes);
      EXPECT_EQ(read[0].content->message_group_id, "group-\u00fc");
      EXPECT_EQ(read[0].content->deduplication_id, "dedup");
      EXPECT_EQ(read[0].content->dead_letter_source_arn, message.content->dead_letter_source_arn);
    }
    const auto metas = this->Metas();
    ASSERT_EQ(metas.size(), 1u);
    EXPECT_EQ(metas[0].partition, core::PartitionId(12));
    EXPECT_EQ(metas[0].log_no, core::LogNo(7));
    for (const core::MessageMeta& meta : {ranges[0].meta, metas[0].meta}) {
      EXPECT_EQ(meta.sent_at, message.meta.sent_at);
      EXPECT_EQ(meta.visible_at, message.meta.visible_at);
      EXPECT_EQ(meta.receive_count, 41);
      EXPECT_EQ(meta.first_received_at, message.meta.first_received_at);
      EXPECT_TRUE(meta.in_flight);
      EXPECT_EQ(meta.transfer, message.meta.transfer);
      EXPECT_EQ(meta.message_group_id, "group-\u00fc");
    }
    ASSERT_NE(metas[0].meta.deduplication, nullptr);
    EXPECT_EQ(metas[0].meta.deduplication->deduplication_id, "dedup");
    EXPECT_EQ(metas[0].meta.deduplication->message_id, message.content->message_id);
  }
}

TYPED_TEST(StoreConformance, WhatAMessageDoesNotHaveStaysAbsent) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1, "")}), CommitOutcome::kCommitted);
  const std::vector<StoredMessage> read = this->Read({{1, 1}});
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].content->body, "");
  EXPECT_EQ(read[0].content->attributes, "");
  EXPECT_EQ(read[0].content->message_group_id, "");
  EXPECT_EQ(read[0].content->dead_letter_source_arn, "");
  EXPECT_FALSE(read[0].meta.first_received_at.has_value());
  EXPECT_EQ(this->Metas()[0].meta.message_group_id, "");
  EXPECT_EQ(this->Metas()[0].meta.deduplication, nullptr);
  EXPECT_FALSE(read[0].meta.transfer.has_value());
  EXPECT_FALSE(read[0].meta.in_flight);
}

TYPED_TEST(StoreConformance, EveryKindOfEventComesBackWithEveryField) {
  this->Reopen();
  std::vector<core::AppendEvent> events;
  for (int kind = 1; kind <= 8; ++kind) {
    events.push_back(Event(kind, static_cast<core::EventKind>(kind), 4, 100 + kind));
  }
  events[0].receive_count = 9;
  events[0].visible_at = absl::FromUnixMicros(1'800'000'000'000'007);
  events[1].visible_at = absl::InfiniteFuture();
  events[5].transfer = core::TransferId{core::PartitionId(8), core::MessageSeq(44)};
  ASSERT_EQ(this->Append({}, events), CommitOutcome::kCommitted);
  this->ReopenInNewProcess();
  const auto seen = this->Events();
  ASSERT_EQ(seen.size(), events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(seen[i].segment, this->active_);
    EXPECT_EQ(seen[i].event.log_no, events[i].log_no);
    EXPECT_EQ(seen[i].event.kind, events[i].kind);
    EXPECT_EQ(seen[i].event.partition, events[i].partition);
    EXPECT_EQ(seen[i].event.seq, events[i].seq);
    EXPECT_EQ(seen[i].event.receive_count, events[i].receive_count);
    EXPECT_EQ(seen[i].event.at, events[i].at);
    EXPECT_EQ(seen[i].event.visible_at, events[i].visible_at);
    EXPECT_EQ(seen[i].event.transfer, events[i].transfer);
  }
}

TYPED_TEST(StoreConformance, TimesAreKeptInMicrosecondsRoundedDown) {
  this->Reopen();
  core::AppendMessage message = Message(1, 1);
  message.meta.sent_at = absl::FromUnixNanos(1'700'000'000'123'456'999);
  ASSERT_EQ(this->Append({message}), CommitOutcome::kCommitted);
  EXPECT_EQ(this->Metas()[0].meta.sent_at, absl::FromUnixMicros(1'700'000'000'123'456));
}

TYPED_TEST(StoreConformance, NextLogNoIsAboveMessagesAndEvents) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1), Message(2, 1)}), CommitOutcome::kCommitted);
  EXPECT_EQ(this->ReopenInNewProcess().next_log_no, core::LogNo(3));
  ASSERT_EQ(this->Append({}, {Event(3, core::EventKind::kAcked, 1, 1)}), CommitOutcome::kCommitted);
  const ShardLog::Opened opened = this->ReopenInNewProcess();
  EXPECT_EQ(opened.next_log_no, core::LogNo(4));
  EXPECT_EQ(opened.segments[0].rows, 3);
}

TYPED_TEST(StoreConformance, NextLogNoStaysAboveWhatWasDropped) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(500, 1)}), CommitOutcome::kCommitted);
  this->StartSegment(501);
  ASSERT_TRUE(this->log_->DropSegment(core::SegmentNo(this->active_.value() - 1)).ok());
  EXPECT_EQ(this->ReopenInNewProcess().next_log_no, core::LogNo(501));
}

TYPED_TEST(StoreConformance, CommitWithOldEpochIsFenced) {
  this->Reopen();
  std::unique_ptr<ShardLog> old = std::move(this->log_);
  this->Reopen();
  EXPECT_EQ(this->AppendTo(*old, {Message(1, 1)}), CommitOutcome::kFenced);
  EXPECT_THAT(this->Metas(), IsEmpty());
  // And stays closed.
  EXPECT_EQ(this->AppendTo(*old, {Message(1, 1)}), CommitOutcome::kRejected);
  EXPECT_FALSE(old->ReadRange(core::PartitionId(1), core::MessageSeq(0), 1, 1).ok());
  EXPECT_EQ(this->Append({Message(1, 1)}), CommitOutcome::kCommitted);
}

TYPED_TEST(StoreConformance, EventsAndCopiesAreFencedToo) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1)}), CommitOutcome::kCommitted);
  const core::SegmentNo first = this->active_;
  this->StartSegment(2);
  std::unique_ptr<ShardLog> old = std::move(this->log_);
  this->Reopen();
  core::AppendMessage copy = Message(2, 1);
  copy.meta.seq = core::MessageSeq(1);
  EXPECT_EQ(this->AppendTo(*old, {copy}, {Event(3, core::EventKind::kLeased, 1, 1)}, first),
            CommitOutcome::kFenced);
  EXPECT_THAT(this->Events(), IsEmpty());
  EXPECT_EQ(this->Metas().size(), 1u);
  EXPECT_TRUE(this->ReadSegment(first).ok());
}

TYPED_TEST(StoreConformance, SegmentsWithOldEpochAreFenced) {
  this->Reopen();
  this->StartSegment(1);
  auto stale_start = this->backend_.logs().OpenLog(kShard);
  auto stale_drop = this->backend_.logs().OpenLog(kShard);
  ASSERT_TRUE(stale_start->Open(this->epoch_).ok());
  ASSERT_TRUE(stale_drop->Open(this->epoch_).ok());
  const size_t segments = this->Reopen().segments.size();
  EXPECT_EQ(ReasonOf(stale_start->StartSegment(core::LogNo(2)).status()),
            ErrorReason::kShardNotOwned);
  EXPECT_EQ(ReasonOf(stale_drop->DropSegment(core::SegmentNo(this->active_.value() - 1))),
            ErrorReason::kShardNotOwned);
  EXPECT_EQ(this->ReopenInNewProcess().segments.size(), segments);
}

TYPED_TEST(StoreConformance, RangeIsInOrderAndOfOnePartition) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1), Message(2, 2), Message(3, 1), Message(4, 1), Message(5, 2)}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(this->Range(1, 0), ElementsAre(1, 3, 4));
  EXPECT_THAT(this->Range(1, 2), ElementsAre(3, 4));
  EXPECT_THAT(this->Range(1, 3), ElementsAre(3, 4));
  EXPECT_THAT(this->Range(1, 5), IsEmpty());
  EXPECT_THAT(this->Range(2, 0), ElementsAre(2, 5));
  EXPECT_THAT(this->Range(3, 0), IsEmpty());
  EXPECT_THAT(this->Range(1, 0, 2), ElementsAre(1, 3));
}

TYPED_TEST(StoreConformance, RangeEndsAtItsBytesButHasAtLeastOne) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1, std::string(100, 'a')), Message(2, 1, std::string(100, 'b')),
                          Message(3, 1, std::string(5000, 'c')), Message(4, 1, "d")}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(this->Range(1, 0, 10, 10), ElementsAre(1));
  EXPECT_THAT(this->Range(1, 0, 10, 199), ElementsAre(1));
  EXPECT_THAT(this->Range(1, 0, 10, 200), ElementsAre(1, 2));
  EXPECT_THAT(this->Range(1, 0, 10, 5199), ElementsAre(1, 2));
  EXPECT_THAT(this->Range(1, 3, 10, 100), ElementsAre(3));
  EXPECT_THAT(this->Range(1, 0, 10, 5201), ElementsAre(1, 2, 3, 4));
}

TYPED_TEST(StoreConformance, RangeGoesOverSegments) {
  this->Reopen();
  for (int64_t log_no = 1; log_no <= 40; log_no += 10) {
    if (log_no > 1) this->StartSegment(log_no);
    ASSERT_EQ(this->Append({Message(log_no, 1, "12345"), Message(log_no + 1, 2), Message(log_no + 2, 1, "12345")}),
              CommitOutcome::kCommitted);
  }
  EXPECT_THAT(this->Range(1, 0), ElementsAre(1, 3, 11, 13, 21, 23, 31, 33));
  EXPECT_THAT(this->Range(1, 4), ElementsAre(11, 13, 21, 23, 31, 33));
  EXPECT_THAT(this->Range(1, 12, 3), ElementsAre(13, 21, 23));
  EXPECT_THAT(this->Range(1, 12, 10, 12), ElementsAre(13, 21));
  EXPECT_THAT(this->Range(1, 12, 10, 10), ElementsAre(13, 21));
  EXPECT_THAT(this->Range(1, 34), IsEmpty());
  EXPECT_THAT(SeqsOf(this->Read({{1, 1}, {1, 33}, {2, 12}, {2, 13}, {9, 1}})), ElementsAre(1, 12, 33));
  this->ReopenInNewProcess();
  EXPECT_THAT(this->Range(1, 4), ElementsAre(11, 13, 21, 23, 31, 33));
}

TYPED_TEST(StoreConformance, BegunReadShowsWhatWasCommittedBeforeItWhileAppendsGoOn) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1), Message(2, 1)}), CommitOutcome::kCommitted);
  this->log_->BeginReadRange(core::PartitionId(1), core::MessageSeq(2), 10, 1000);
  ASSERT_EQ(this->Append({Message(3, 2)}), CommitOutcome::kCommitted);
  this->StartSegment(4);
  ASSERT_EQ(this->Append({Message(4, 2)}), CommitOutcome::kCommitted);
  EXPECT_THAT(SeqsOf(this->log_->FinishReadRange().value()), ElementsAre(2));
  EXPECT_THAT(this->BegunRange(2, 0, 1), ElementsAre(3));
}

TYPED_TEST(StoreConformance, OpenForgetsABegunRead) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1)}), CommitOutcome::kCommitted);
  this->log_->BeginReadRange(core::PartitionId(1), core::MessageSeq(0), 10, 1000);
  this->Reopen();
  EXPECT_THAT(this->BegunRange(1, 0), ElementsAre(1));
}

TYPED_TEST(StoreConformance, CopiedForwardMessageIsReadOnceAndInItsPlace) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  ASSERT_EQ(this->Append({Message(1, 1), Message(2, 1), Message(3, 1)}), CommitOutcome::kCommitted);
  this->StartSegment(4);
  ASSERT_EQ(this->Append({Message(4, 1), Message(5, 1)}), CommitOutcome::kCommitted);
  this->StartSegment(6);
  core::AppendMessage copy = Message(6, 1, "copied");
  copy.meta.seq = core::MessageSeq(2);
  copy.meta.receive_count = 3;
  ASSERT_EQ(this->Append({copy}, {Event(7, core::EventKind::kLeased, 1, 2)}, first),
            CommitOutcome::kCommitted);

  for (const bool reopened : {false, true}) {
    if (reopened) this->ReopenInNewProcess();
    EXPECT_THAT(this->Range(1, 0), ElementsAre(2, 4, 5));
    EXPECT_THAT(this->Range(1, 0, 1), ElementsAre(2));
    EXPECT_THAT(this->Range(1, 3), ElementsAre(4, 5));
    const std::vector<StoredMessage> read = this->Read({{1, 1}, {1, 2}, {1, 3}});
    ASSERT_THAT(SeqsOf(read), ElementsAre(2));
    EXPECT_EQ(read[0].content->body, "copied");
    EXPECT_EQ(read[0].meta.receive_count, 3);
    EXPECT_EQ(read[0].meta.segment, this->active_);
    EXPECT_EQ(read[0].log_no, core::LogNo(6));
    EXPECT_EQ(this->Metas().size(), 3u);
    EXPECT_FALSE(this->ReadSegment(first).ok());
    EXPECT_EQ(this->Events().size(), 1u);
  }
}

TYPED_TEST(StoreConformance, RetiringWithoutSurvivorsHidesTheSegment) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  ASSERT_EQ(this->Append({Message(1, 1)}, {Event(2, core::EventKind::kAcked, 1, 1)}),
            CommitOutcome::kCommitted);
  this->StartSegment(3);
  ASSERT_EQ(this->Append({}, {}, first), CommitOutcome::kCommitted);
  EXPECT_THAT(this->Range(1, 0), IsEmpty());
  EXPECT_THAT(this->Events(), IsEmpty());
  const ShardLog::Opened opened = this->ReopenInNewProcess();
  ASSERT_EQ(opened.segments.size(), 1u);
  EXPECT_EQ(opened.next_log_no, core::LogNo(3));
}

TYPED_TEST(StoreConformance, OpenTellsTheSegmentsAndTheirRows) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  ASSERT_EQ(this->Append({Message(1, 1)}, {Event(2, core::EventKind::kLeased, 1, 1)}),
            CommitOutcome::kCommitted);
  this->StartSegment(3);
  ASSERT_EQ(this->Append({Message(3, 1)}), CommitOutcome::kCommitted);
  const ShardLog::Opened opened = this->ReopenInNewProcess();
  ASSERT_EQ(opened.segments.size(), 2u);
  EXPECT_EQ(opened.segments[0].segment, first);
  EXPECT_EQ(opened.segments[0].rows, 2);
  EXPECT_EQ(opened.segments[1].segment, opened.active_segment);
  EXPECT_EQ(opened.segments[1].first_log_no, core::LogNo(3));
  EXPECT_EQ(opened.segments[1].rows, 1);
}

TYPED_TEST(StoreConformance, DroppedSegmentIsGone) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  ASSERT_EQ(this->Append({Message(1, 1)}), CommitOutcome::kCommitted);
  this->StartSegment(2);
  ASSERT_EQ(this->Append({Message(2, 1)}), CommitOutcome::kCommitted);
  ASSERT_TRUE(this->log_->DropSegment(first).ok());
  EXPECT_THAT(this->Range(1, 0), ElementsAre(2));
  EXPECT_EQ(ReasonOf(this->ReadSegment(first).status()), ErrorReason::kInternal);
  EXPECT_EQ(this->ReopenInNewProcess().segments.size(), 1u);
}

TYPED_TEST(StoreConformance, SegmentNumbersAreNotUsedAgain) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  this->StartSegment(1);
  const core::SegmentNo second = this->active_;
  ASSERT_TRUE(this->log_->DropSegment(first).ok());
  this->ReopenInNewProcess();
  this->StartSegment(1);
  EXPECT_GT(this->active_, second);
}

TYPED_TEST(StoreConformance, ReadSegmentIsInOrderAndOfAllPartitions) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 2), Message(2, 1), Message(3, 2)}), CommitOutcome::kCommitted);
  EXPECT_THAT(SeqsOf(this->ReadSegment(this->active_).value()), ElementsAre(2, 1, 3));
  EXPECT_THAT(SeqsOf(this->log_->ReadSegment(this->active_, 2, 1'000).value()), ElementsAre(2, 1));
  EXPECT_THAT(SeqsOf(this->log_->ReadSegment(this->active_, 9, 1).value()), ElementsAre(2));
  EXPECT_THAT(SeqsOf(this->log_->ReadSegment(this->active_, 9, 9).value()), ElementsAre(2, 1));
}

TYPED_TEST(StoreConformance, SliceThatWasCopiedForwardIsReadOnce) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  ASSERT_EQ(this->Append({Message(1, 2), Message(2, 1), Message(3, 2), Message(4, 1), Message(5, 2)}),
            CommitOutcome::kCommitted);
  this->StartSegment(6);
  core::AppendMessage copy = Message(6, 1, "copied");
  copy.meta.seq = core::MessageSeq(2);
  // Message 4 is gone, so it has no copy.
  ASSERT_EQ(this->AppendCopied({copy}, {first, core::PartitionId(1), core::MessageSeq(4)}),
            CommitOutcome::kCommitted);
  for (const bool reopened : {false, true}) {
    if (reopened) {
      EXPECT_EQ(this->ReopenInNewProcess().segments.size(), 2u);
    }
    EXPECT_THAT(this->Range(1, 0), ElementsAre(2));
    EXPECT_THAT(this->Range(2, 0), ElementsAre(1, 3, 5));
    const std::vector<StoredMessage> read = this->Read({{1, 2}, {1, 4}, {2, 3}});
    ASSERT_THAT(SeqsOf(read), ElementsAre(2, 3));
    EXPECT_EQ(read[0].content->body, "copied");
    EXPECT_EQ(read[0].meta.segment, this->active_);
    EXPECT_EQ(this->Metas().size(), 4u);
    EXPECT_THAT(SeqsOf(this->ReadSegment(first).value()), ElementsAre(1, 3, 5));
  }
  copy.log_no = core::LogNo(7);
  copy.partition = core::PartitionId(2);
  copy.meta.seq = core::MessageSeq(1);
  ASSERT_EQ(this->AppendCopied({copy}, {first, core::PartitionId(2), core::MessageSeq(3)}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(SeqsOf(this->ReadSegment(first).value()), ElementsAre(5));
  EXPECT_THAT(this->Range(2, 0), ElementsAre(1, 5));
  ASSERT_EQ(this->AppendCopied({}, {first, core::PartitionId(2), core::MessageSeq(5)}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(this->ReadSegment(first).value(), IsEmpty());
  ASSERT_EQ(this->Append({}, {}, first), CommitOutcome::kCommitted);
  EXPECT_EQ(this->ReopenInNewProcess().segments.size(), 1u);
  EXPECT_THAT(this->Range(1, 0), ElementsAre(2));
  EXPECT_THAT(this->Range(2, 0), ElementsAre(1));
}

TYPED_TEST(StoreConformance, BigBatchesArriveWhole) {
  this->Reopen();
  constexpr int64_t kMessages = 5'000;
  std::vector<core::AppendMessage> messages;
  std::vector<core::AppendEvent> events;
  for (int64_t i = 1; i <= kMessages; ++i) {
    messages.push_back(Message(i, i % 7, std::string(static_cast<size_t>(i % 4000), 'x')));
    events.push_back(Event(kMessages + i, core::EventKind::kLeased, i % 7, i));
  }
  ASSERT_EQ(this->Append(std::move(messages), std::move(events)), CommitOutcome::kCommitted);
  const ShardLog::Opened opened = this->ReopenInNewProcess();
  EXPECT_EQ(opened.next_log_no, core::LogNo(2 * kMessages + 1));
  EXPECT_EQ(opened.segments[0].rows, 2 * kMessages);
  EXPECT_EQ(this->Metas().size(), static_cast<size_t>(kMessages));
  EXPECT_EQ(this->Events().size(), static_cast<size_t>(kMessages));
  EXPECT_EQ(this->Range(3, 0, 10'000, 100 << 20).size(), 714u);
  EXPECT_EQ(this->ReadSegment(this->active_).value().size(), static_cast<size_t>(kMessages));
}

TYPED_TEST(StoreConformance, LargestMessageArrivesWhole) {
  this->Reopen();
  std::string body(1 << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 7) body[i] = static_cast<char>('a' + i % 26);
  ASSERT_EQ(this->Append({Message(1, 1, body), Message(2, 1, body), Message(3, 1, "small")}),
            CommitOutcome::kCommitted);
  EXPECT_EQ(this->Read({{1, 2}})[0].content->body, body);
  EXPECT_THAT(this->Range(1, 0, 10, 1'500'000), ElementsAre(1));
}

TYPED_TEST(StoreConformance, AppendsInARowAreAllThere) {
  this->Reopen();
  for (int64_t i = 1; i <= 50; ++i) {
    if (i % 3 == 0) {
      ASSERT_EQ(this->Append({}, {Event(i, core::EventKind::kAcked, 1, i)}), CommitOutcome::kCommitted);
    } else {
      ASSERT_EQ(this->Append({Message(i, 1)}), CommitOutcome::kCommitted);
    }
  }
  EXPECT_EQ(this->Metas().size(), 34u);
  EXPECT_EQ(this->Events().size(), 16u);
}

TYPED_TEST(StoreConformance, NothingWorksBeforeOpen) {
  auto log = this->backend_.logs().OpenLog(kShard);
  EXPECT_EQ(this->AppendTo(*log, {Message(1, 1)}), CommitOutcome::kRejected);
  EXPECT_EQ(ReasonOf(log->ReadRange(core::PartitionId(1), core::MessageSeq(0), 1, 1).status()),
            ErrorReason::kStoreUnavailable);
  EXPECT_EQ(ReasonOf(log->StartSegment(core::LogNo(1)).status()), ErrorReason::kStoreUnavailable);
  EXPECT_EQ(ReasonOf(log->DropSegment(core::SegmentNo(1))), ErrorReason::kStoreUnavailable);
}

}  // namespace
}  // namespace weir::queue::store
