// What a trace is made of: the rows and events of one message, wherever they stand.
#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Backend>
class JournalConformance : public StoreConformance<Backend> {
 protected:
  static constexpr char kId[] = "0f8fad5b-d9cb-469f-a165-70867728950e";

  core::AppendMessage Traced(int64_t log_no, int64_t partition, int64_t seq) {
    core::AppendMessage message = Message(log_no, partition);
    message.meta.seq = core::MessageSeq(seq);
    message.content = std::make_shared<core::MessageContent>(
        core::MessageContent{.message_id = kId, .body = "body", .dead_letter_source_arn = "arn"});
    return message;
  }
  MessageHistory Find() {
    MessageHistory history = this->backend_.journal().FindMessage(kId, Soon()).value();
    std::sort(history.rows.begin(), history.rows.end(),
              [](const auto& a, const auto& b) { return a.log_no < b.log_no; });
    std::sort(history.events.begin(), history.events.end(),
              [](const auto& a, const auto& b) { return a.event.log_no < b.event.log_no; });
    return history;
  }
  static std::vector<int64_t> RowsOf(const MessageHistory& history) {
    std::vector<int64_t> log_nos;
    for (const JournalRow& row : history.rows) log_nos.push_back(row.log_no.value());
    return log_nos;
  }
  static std::vector<int64_t> EventsOf(const MessageHistory& history) {
    std::vector<int64_t> log_nos;
    for (const JournalEvent& found : history.events) log_nos.push_back(found.event.log_no.value());
    return log_nos;
  }
};

TYPED_TEST_SUITE(JournalConformance, Backends, BackendNames);

TYPED_TEST(JournalConformance, NothingIsFoundOfAMessageThatNeverWas) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1)}, {Event(2, core::EventKind::kPurged, 1, 1)}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(this->Find().rows, IsEmpty());
  EXPECT_THAT(this->Find().events, IsEmpty());
}

TYPED_TEST(JournalConformance, EveryFieldIsFound) {
  this->Reopen();
  core::AppendMessage message = this->Traced(3, 7, 3);
  message.meta.sent_at = absl::FromUnixMicros(1'700'000'000'123'456);
  message.meta.visible_at = absl::FromUnixMicros(1'700'000'900'000'001);
  message.meta.first_received_at = absl::FromUnixMicros(1'700'000'100'000'001);
  message.meta.receive_count = 2;
  message.meta.in_flight = true;
  message.meta.transfer = core::TransferId{core::PartitionId(5), core::MessageSeq(6)};
  message.consumer = "10.0.0.1:5000";
  core::AppendEvent lease = Event(4, core::EventKind::kLeased, 7, 3);
  lease.at = absl::FromUnixMicros(1'700'000'950'000'003);
  lease.visible_at = absl::FromUnixMicros(1'700'000'999'000'002);
  lease.receive_count = 3;
  lease.consumer = "\u00fc:1";
  ASSERT_EQ(this->Append({message}, {lease}), CommitOutcome::kCommitted);
  const MessageHistory history = this->Find();
  ASSERT_EQ(history.rows.size(), 1u);
  const JournalRow& row = history.rows[0];
  EXPECT_EQ(row.shard, kShard);
  EXPECT_EQ(row.partition, core::PartitionId(7));
  EXPECT_EQ(row.log_no, core::LogNo(3));
  EXPECT_EQ(row.meta.seq, core::MessageSeq(3));
  EXPECT_EQ(row.meta.sent_at, message.meta.sent_at);
  EXPECT_EQ(row.meta.visible_at, message.meta.visible_at);
  EXPECT_EQ(row.meta.first_received_at, message.meta.first_received_at);
  EXPECT_EQ(row.meta.receive_count, 2);
  EXPECT_EQ(row.meta.transfer, message.meta.transfer);
  EXPECT_EQ(row.dead_letter_source_arn, "arn");
  EXPECT_EQ(row.consumer, "10.0.0.1:5000");
  ASSERT_EQ(history.events.size(), 1u);
  const core::AppendEvent& event = history.events[0].event;
  EXPECT_EQ(history.events[0].shard, kShard);
  EXPECT_EQ(event.kind, core::EventKind::kLeased);
  EXPECT_EQ(event.at, lease.at);
  EXPECT_EQ(event.visible_at, lease.visible_at);
  EXPECT_EQ(event.receive_count, 3);
  EXPECT_EQ(event.consumer, "\u00fc:1");
  // Recovery sees who it was, too.
  EXPECT_EQ(this->Events()[0].event.consumer, "\u00fc:1");
  EXPECT_GT(history.now, absl::InfinitePast());
}

TYPED_TEST(JournalConformance, OnlyWhatIsAboutTheMessageIsFound) {
  this->Reopen();
  ASSERT_EQ(this->Append({Message(1, 1), this->Traced(2, 1, 2), Message(3, 2)},
                         {Event(4, core::EventKind::kAcked, 1, 1), Event(5, core::EventKind::kPurged, 1, 1),
                          Event(6, core::EventKind::kLeased, 1, 2), Event(7, core::EventKind::kLeased, 2, 2),
                          Event(8, core::EventKind::kPurged, 2, 7), Event(9, core::EventKind::kPurged, 1, 8)}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(this->RowsOf(this->Find()), ElementsAre(2));
  EXPECT_THAT(this->EventsOf(this->Find()), ElementsAre(6, 9));
}

TYPED_TEST(JournalConformance, CopiesAndOtherStaysAreFoundInAllSegments) {
  this->Reopen();
  const core::SegmentNo first = this->active_;
  ASSERT_EQ(this->Append({this->Traced(1, 1, 1)}, {Event(2, core::EventKind::kLeased, 1, 1)}),
            CommitOutcome::kCommitted);
  this->StartSegment(3);
  ASSERT_EQ(this->AppendCopied({this->Traced(3, 1, 1)}, {first, core::PartitionId(1), core::MessageSeq(1)}),
            CommitOutcome::kCommitted);
  ASSERT_EQ(this->Append({this->Traced(4, 2, 4)}, {Event(5, core::EventKind::kMoved, 1, 1)}),
            CommitOutcome::kCommitted);
  EXPECT_THAT(this->RowsOf(this->Find()), ElementsAre(1, 3, 4));
  EXPECT_THAT(this->EventsOf(this->Find()), ElementsAre(2, 5));
  ASSERT_TRUE(this->log_->DropSegment(first).ok());
  EXPECT_THAT(this->RowsOf(this->Find()), ElementsAre(3, 4));
  EXPECT_THAT(this->EventsOf(this->Find()), ElementsAre(5));
}

}  // namespace
}  // namespace weir::queue::store
