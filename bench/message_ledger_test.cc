#include "bench/message_ledger.h"

#include <gtest/gtest.h>

namespace weir::bench {
namespace {

class MessageLedgerTest : public testing::Test {
 protected:
  MessageKey Send(uint32_t sender, uint64_t id) {
    const MessageKey key = ledger_.Next(sender, /*now=*/7, body_);
    ledger_.Sent(key, id);
    return key;
  }

  MessageLedger ledger_{/*senders=*/3, /*body_bytes=*/100};
  std::string body_;
};

TEST_F(MessageLedgerTest, MessageThatCameBackIsFine) {
  Send(2, 11);
  EXPECT_EQ(body_.size(), 100);
  const auto key = ledger_.Received(body_, 11);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->sender, 2);
  EXPECT_EQ(ledger_.Deleted(*key), 7);
  EXPECT_TRUE(ledger_.Count().AllCameBack());
  EXPECT_EQ(ledger_.Count().sent, 1);
}

TEST_F(MessageLedgerTest, MessageThatIsReceivedBeforeItsSendIsAnsweredIsFine) {
  const MessageKey key = ledger_.Next(0, 0, body_);
  ledger_.Received(body_, 5);
  ledger_.Sent(key, 5);
  ledger_.Deleted(key);
  EXPECT_TRUE(ledger_.Count().AllCameBack());
}

TEST_F(MessageLedgerTest, MissingMessageIsLost) {
  Send(0, 1);
  EXPECT_EQ(ledger_.Count().lost, 1);
  EXPECT_FALSE(ledger_.Count().AllCameBack());
}

TEST_F(MessageLedgerTest, SecondReceiveIsADuplicate) {
  Send(0, 1);
  ledger_.Received(body_, 1);
  ledger_.Deleted(*ledger_.Received(body_, 1));
  EXPECT_EQ(ledger_.Count().duplicated, 1);
}

TEST_F(MessageLedgerTest, ChangedBodyAndForeignIdAreDamage) {
  ledger_.Deleted(Send(0, 1));
  ledger_.Received(body_, 2);
  EXPECT_EQ(ledger_.Count().damaged, 1);
  body_.back() = '!';
  EXPECT_FALSE(ledger_.Received(body_, 1).has_value());
  EXPECT_FALSE(ledger_.Received("", 1).has_value());
  EXPECT_EQ(ledger_.Count().damaged, 3);
}

TEST_F(MessageLedgerTest, MessageThatWasNotDeletedShows) {
  Send(0, 1);
  ledger_.Received(body_, 1);
  EXPECT_FALSE(ledger_.Count().AllCameBack());
}

TEST_F(MessageLedgerTest, BacklogMayComeOrStay) {
  ledger_.ExpectBacklog(3);
  Send(0, 1);
  const auto key = ledger_.Received(MessageLedger::BacklogBody(1, 100), 9);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(ledger_.Deleted(*key), 0);
  EXPECT_TRUE(ledger_.Count(/*left=*/3).AllCameBack());
  EXPECT_EQ(ledger_.Count(/*left=*/2).lost, 1);
  EXPECT_FALSE(ledger_.Count(/*left=*/4).AllCameBack());
}

TEST_F(MessageLedgerTest, BacklogOfOthersIsDamage) {
  EXPECT_FALSE(ledger_.Received(MessageLedger::BacklogBody(0, 100), 9).has_value());
  ledger_.ExpectBacklog(1);
  EXPECT_FALSE(ledger_.Received(MessageLedger::BacklogBody(1, 100), 9).has_value());
  EXPECT_EQ(ledger_.Count(/*left=*/1).damaged, 2);
}

}  // namespace
}  // namespace weir::bench
