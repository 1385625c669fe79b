// A message is moved once, also when a replica that has lost the source's shard sends the transfer, too, and it comes late.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "services/queue/core/shard_state.h"

namespace weir::queue::core {
namespace {

const TransferId kTransfer{PartitionId(6), MessageSeq(2'709)};
const PartitionId kDeadLetters(5);
const SegmentNo kSegment(1);

class TransferTest : public testing::Test {
 protected:
  // How many messages it appends.
  int Decide(const Command& command) {
    Decision decision = state_.Decide(RequestId(1), command, now_);
    int messages = 0;
    for (Mutation& mutation : decision.mutations) {
      messages += std::holds_alternative<AppendMessage>(mutation) ? 1 : 0;
      rows_.push_back(std::move(mutation));
    }
    return messages;
  }
  int Accept() {
    auto content = std::make_shared<MessageContent>();
    content->body = "x";
    return Decide(AcceptTransfer{.partition = kDeadLetters,
                                 .config = std::make_shared<QueueConfig>(),
                                 .transfer = kTransfer,
                                 .sent_at = now_,
                                 .receive_count = 3,
                                 .content = std::move(content)});
  }
  void Forget() { EXPECT_EQ(Decide(ForgetTransfer{kDeadLetters, kTransfer}), 0); }
  // As another replica reads it.
  void ReadAnew() {
    RecoveryBuilder builder(state_.next_log_no(), kSegment, now_);
    for (const Mutation& row : rows_) {
      if (const auto* event = std::get_if<AppendEvent>(&row)) builder.AddEvent(kSegment, *event);
    }
    for (const Mutation& row : rows_) {
      const auto* message = std::get_if<AppendMessage>(&row);
      if (message != nullptr) builder.AddMessage(message->partition, message->log_no, message->meta);
    }
    state_ = std::move(builder).Build();
  }

  ShardState state_{LogNo(1), kSegment};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::vector<Mutation> rows_;
};

TEST_F(TransferTest, RepeatIsRecognised) {
  EXPECT_EQ(Accept(), 1);
  EXPECT_EQ(Accept(), 0);
  ReadAnew();
  EXPECT_EQ(Accept(), 0);
}

TEST_F(TransferTest, RepeatThatComesAfterTheEndIsRecognised) {
  EXPECT_EQ(Accept(), 1);
  Forget();
  now_ += absl::Seconds(59);
  EXPECT_EQ(Accept(), 0);
}

TEST_F(TransferTest, RepeatThatComesAfterTheEndIsRecognisedByTheNextOwner) {
  EXPECT_EQ(Accept(), 1);
  Forget();
  now_ += absl::Seconds(59);
  ReadAnew();
  EXPECT_EQ(Accept(), 0);
}

TEST_F(TransferTest, EndedTransferHoldsNoSegment) {
  EXPECT_EQ(Accept(), 1);
  EXPECT_EQ(state_.LiveInSegment(kSegment), 2);
  Forget();
  EXPECT_EQ(state_.LiveInSegment(kSegment), 1);
}

}  // namespace
}  // namespace weir::queue::core
