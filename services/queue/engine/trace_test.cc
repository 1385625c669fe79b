// A trace as a person reads it: "seconds what partition [receive count] [until] [by whom] [peer]".
#include "services/queue/engine/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace weir::queue::engine {
namespace {

using core::EventKind;
using testing::ElementsAre;
using testing::IsEmpty;

absl::Time At(double seconds) { return absl::FromUnixSeconds(1'000) + absl::Seconds(seconds); }

class TraceTest : public testing::Test {
 protected:
  TraceTest() { history_.now = At(1'000); }

  store::JournalRow& Row(int64_t log_no, int64_t partition, int64_t seq, double sent) {
    history_.rows.push_back({.shard = shard_,
                             .partition = core::PartitionId(partition),
                             .log_no = core::LogNo(log_no)});
    store::JournalRow& row = history_.rows.back();
    row.meta.seq = core::MessageSeq(seq);
    row.meta.sent_at = row.meta.visible_at = At(sent);
    return row;
  }
  core::AppendEvent& Event(int64_t log_no, EventKind kind, int64_t partition, int64_t seq, double at) {
    history_.events.push_back({shard_,
                               {.log_no = core::LogNo(log_no),
                                .kind = kind,
                                .partition = core::PartitionId(partition),
                                .seq = core::MessageSeq(seq),
                                .at = At(at),
                                .visible_at = absl::InfinitePast()}});
    return history_.events.back().event;
  }
  void Lease(int64_t log_no, int64_t partition, int64_t seq, double at, int count, double until,
             std::string consumer = "") {
    core::AppendEvent& event = Event(log_no, EventKind::kLeased, partition, seq, at);
    event.receive_count = count;
    event.visible_at = At(until);
    event.consumer = std::move(consumer);
  }

  std::vector<std::string> Trace() const {
    static constexpr const char* kNames[] = {"sent",    "received", "changed",   "released", "timed out",
                                             "deleted", "moved out", "moved in", "purged",   "expired"};
    std::vector<std::string> lines;
    for (const TraceStep& step : DeriveTrace(history_)) {
      std::string line = step.at.has_value() ? absl::StrCat(absl::ToDoubleSeconds(*step.at - At(0))) : "?";
      absl::StrAppend(&line, " ", kNames[static_cast<int>(step.kind)], " p", step.partition.value());
      if (step.receive_count > 0) absl::StrAppend(&line, " #", step.receive_count);
      if (step.visible_at.has_value()) {
        absl::StrAppend(&line, " until ", absl::ToDoubleSeconds(*step.visible_at - At(0)));
      }
      if (!step.consumer.empty()) absl::StrAppend(&line, " by ", step.consumer);
      if (step.peer != core::PartitionId()) absl::StrAppend(&line, " peer p", step.peer.value());
      if (!step.peer_arn.empty()) absl::StrAppend(&line, " peer ", step.peer_arn);
      lines.push_back(std::move(line));
    }
    return lines;
  }

  core::ShardId shard_{0};
  store::MessageHistory history_;
};

TEST_F(TraceTest, NothingIsKnownOfWhatIsNotThere) { EXPECT_THAT(Trace(), IsEmpty()); }

TEST_F(TraceTest, SentReceivedChangedDeleted) {
  Row(5, 1, 5, 0);
  Lease(7, 1, 5, 2, 1, 32, "ann");
  Event(8, EventKind::kVisibilityChanged, 1, 5, 10).visible_at = At(70);
  Event(9, EventKind::kAcked, 1, 5, 50);
  EXPECT_THAT(Trace(), ElementsAre("0 sent p1", "2 received p1 #1 until 32 by ann", "10 changed p1 #1 until 70",
                                   "50 deleted p1 #1"));
}

TEST_F(TraceTest, HandOffIsToldByTheRowItself) {
  store::JournalRow& row = Row(5, 1, 5, 0);
  row.meta.receive_count = 1;
  row.meta.first_received_at = At(0);
  row.meta.visible_at = At(30);
  row.consumer = "bob";
  Event(6, EventKind::kAcked, 1, 5, 1);
  EXPECT_THAT(Trace(), ElementsAre("0 sent p1", "0 received p1 #1 until 30 by bob", "1 deleted p1 #1"));
}

TEST_F(TraceTest, TimeOutFollowsFromTheReceiveBefore) {
  Row(5, 1, 5, 0).meta.visible_at = At(1);
  Lease(6, 1, 5, 2, 1, 32);
  Lease(7, 1, 5, 40, 2, 70);
  Event(8, EventKind::kVisibilityChanged, 1, 5, 50).visible_at = At(50);
  Lease(9, 1, 5, 60, 3, 90);
  EXPECT_THAT(Trace(), ElementsAre("0 sent p1 until 1", "2 received p1 #1 until 32", "32 timed out p1 #1",
                                   "40 received p1 #2 until 70", "50 released p1 #2", "60 received p1 #3 until 90",
                                   "90 timed out p1 #3"));
  history_.now = At(80);
  EXPECT_EQ(Trace().back(), "60 received p1 #3 until 90");
}

TEST_F(TraceTest, MoveWithinAShardIsPairedByItsNumbers) {
  Row(5, 1, 5, 0);
  Lease(6, 1, 5, 1, 1, 3);
  Row(10, 2, 10, 0).dead_letter_source_arn = "arn:one";
  Event(11, EventKind::kMoved, 1, 5, 4);
  Row(20, 1, 20, 9);  // redriven
  Event(21, EventKind::kMoved, 2, 10, 9);
  Lease(22, 1, 20, 10, 1, 40);
  Event(23, EventKind::kAcked, 1, 20, 11);
  EXPECT_THAT(Trace(),
              ElementsAre("0 sent p1", "1 received p1 #1 until 3", "3 timed out p1 #1", "4 moved out p1 #1 peer p2",
                          "4 moved in p2 peer p1 peer arn:one", "9 moved out p2 peer p1", "9 moved in p1 peer p2",
                          "10 received p1 #1 until 40", "11 deleted p1 #1"));
}

TEST_F(TraceTest, MoveBetweenShardsIsPairedByItsTransfer) {
  Row(5, 1, 5, 0);
  Event(6, EventKind::kMoved, 1, 5, 4);
  shard_ = core::ShardId(1);
  Row(3, 2, 3, 0).meta.transfer = core::TransferId{core::PartitionId(1), core::MessageSeq(5)};
  Lease(4, 2, 3, 3.5, 1, 33);  // before the source has recorded the move
  Event(5, EventKind::kAcked, 2, 3, 6);
  EXPECT_THAT(Trace(), ElementsAre("0 sent p1", "3.5 moved out p1 peer p2", "3.5 moved in p2 peer p1",
                                   "3.5 received p2 #1 until 33", "6 deleted p2 #1"));
}

TEST_F(TraceTest, WayThereAndBackIsToldInItsOrderWhateverTheShardsClocksSay) {
  Row(5, 1, 5, 0);
  Lease(6, 1, 5, 1, 1, 2);
  Event(9, EventKind::kMoved, 1, 5, 4);
  Row(10, 1, 10, 0).meta.transfer = core::TransferId{core::PartitionId(2), core::MessageSeq(3)};
  Lease(11, 1, 10, 4, 1, 34);
  shard_ = core::ShardId(1);  // slow by half a second
  Row(3, 2, 3, 0).meta.transfer = core::TransferId{core::PartitionId(1), core::MessageSeq(5)};
  Event(4, EventKind::kMoved, 2, 3, 3.5);
  EXPECT_THAT(Trace(),
              ElementsAre("0 sent p1", "1 received p1 #1 until 2", "2 timed out p1 #1", "3.5 moved out p1 #1 peer p2",
                          "3.5 moved in p2 peer p1", "3.5 moved out p2 peer p1", "3.5 moved in p1 peer p2",
                          "4 received p1 #1 until 34", "34 timed out p1 #1"));
}

TEST_F(TraceTest, WhatIsGoneIsNotMadeUp) {
  // Only a copy is left, and the newest receive, written again.
  store::JournalRow& copy = Row(90, 1, 5, 0);
  copy.meta.receive_count = 2;
  copy.meta.first_received_at = At(1);
  copy.meta.visible_at = At(60);
  Lease(91, 1, 5, 30, 2, 60, "ann");
  Event(95, EventKind::kAcked, 1, 5, 50);
  EXPECT_THAT(Trace(), ElementsAre("30 received p1 #2 until 60 by ann", "50 deleted p1 #2"));
}

TEST_F(TraceTest, CopyRepeatsNothing) {
  Row(5, 1, 5, 0);
  Lease(6, 1, 5, 1, 1, 2);
  Lease(7, 1, 5, 30, 2, 60, "ann");
  store::JournalRow& copy = Row(90, 1, 5, 0);
  copy.meta.receive_count = 2;
  copy.meta.first_received_at = At(1);
  copy.meta.visible_at = At(60);
  Lease(91, 1, 5, 30, 2, 60);
  Event(95, EventKind::kAcked, 1, 5, 50);
  EXPECT_THAT(Trace(), ElementsAre("0 sent p1", "1 received p1 #1 until 2", "2 timed out p1 #1",
                                   "30 received p1 #2 until 60 by ann", "50 deleted p1 #2"));
}

TEST_F(TraceTest, SourceThatIsGoneLeavesTheMomentOpen) {
  Row(10, 2, 10, 0).dead_letter_source_arn = "arn:one";
  Event(30, EventKind::kPurged, 2, 25, 9);
  EXPECT_THAT(Trace(), ElementsAre("? moved in p2 peer arn:one", "9 purged p2"));
}

TEST_F(TraceTest, PurgeIsNoStepOfWhatWasGoneBefore) {
  Row(5, 1, 5, 0);
  Event(6, EventKind::kExpired, 1, 5, 60);
  Event(30, EventKind::kPurged, 1, 25, 90);
  EXPECT_THAT(Trace(), ElementsAre("0 sent p1", "60 expired p1"));
}

}  // namespace
}  // namespace weir::queue::engine
