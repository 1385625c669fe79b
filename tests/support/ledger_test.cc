// A checker that finds nothing proves nothing, so each rule is broken once here, and what looks broken but is allowed passes.
#include "tests/support/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using Outcome = Ledger::Outcome;

// Times are seconds; every request takes a tenth of one.
class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { ledger_.AddQueue("orders", "orders-dlq", 5); }

  static Ledger::Interval At(double start) {
    return {absl::Seconds(start), absl::Seconds(start + 0.1)};
  }
  void Send(absl::string_view body, double at, Outcome outcome = Outcome::kOk) {
    ledger_.Sent("orders", body, At(at), outcome, outcome == Outcome::kOk ? "id-1" : "");
  }
  Ledger::DeliveryId Receive(absl::string_view body, double at, int count,
                             absl::string_view queue = "orders", absl::string_view id = "id-1") {
    return ledger_.Delivered({.queue = std::string(queue),
                              .body = std::string(body),
                              .message_id = std::string(id),
                              .receive_count = count,
                              .visibility_timeout = absl::Seconds(10),
                              .at = At(at)});
  }
  void Delete(Ledger::DeliveryId delivery, double at, Outcome outcome = Outcome::kOk) {
    ledger_.Deleted(delivery, At(at), outcome);
  }
  void Change(Ledger::DeliveryId delivery, double at, int seconds, Outcome outcome = Outcome::kOk) {
    ledger_.VisibilityChanged(delivery, absl::Seconds(seconds), At(at), outcome);
  }
  std::vector<std::string> Broken(double drain_at = 100) {
    ledger_.DrainStarted(absl::Seconds(drain_at));
    std::vector<std::string> rules;
    for (const auto& violation : ledger_.Check()) rules.push_back(violation.rule);
    return rules;
  }

  Ledger ledger_;
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(LedgerTest, AMessageThatIsSentReceivedAndDeletedKeepsEveryPromise) {
  Send("a|body", 1);
  Delete(Receive("a|body", 2, 1), 3);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, AnAcknowledgedSendThatTheDrainDoesNotFindIsLost) {
  Send("a|body", 1);
  EXPECT_THAT(Broken(), ElementsAre("lost"));
}

TEST_F(LedgerTest, AReceiveBeforeTheDrainDoesNotMakeUpForALoss) {
  Send("a|body", 1);
  Receive("a|body", 2, 1);
  EXPECT_THAT(Broken(), ElementsAre("lost"));
}

TEST_F(LedgerTest, WhatTheDrainFindsIsNotLost) {
  Send("a|body", 1);
  Receive("a|body", 2, 1);
  Receive("a|body", 101, 2);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, ADeleteThatSurelyFailedDoesNotExcuseALoss) {
  Send("a|body", 1);
  Delete(Receive("a|body", 2, 1), 3, Outcome::kFailed);
  EXPECT_THAT(Broken(), ElementsAre("lost"));
}

TEST_F(LedgerTest, AnUnknownOutcomeAllowsBoth) {
  Send("unknown-gone|", 1, Outcome::kUnknown);
  Send("unknown-there|", 1, Outcome::kUnknown);
  Receive("unknown-there|", 2, 1);
  Send("deleted|", 1);
  Delete(Receive("deleted|", 2, 1), 3, Outcome::kUnknown);
  Send("deleted-in-vain|", 1);
  Delete(Receive("deleted-in-vain|", 2, 1), 3, Outcome::kUnknown);
  Receive("deleted-in-vain|", 101, 2);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, ADeliveryAfterAnAnsweredDeleteIsUndead) {
  Send("a|body", 1);
  Delete(Receive("a|body", 2, 1), 3);
  Receive("a|body", 101, 4);
  EXPECT_THAT(Broken(), ElementsAre("undead"));
}

TEST_F(LedgerTest, ALateDeleteCountsWhenTheNextReceiveCameAfterIt) {
  Send("a|body", 1);
  Delete(Receive("a|body", 2, 1), 20);
  Receive("a|body", 101, 2);
  EXPECT_THAT(Broken(), ElementsAre("undead"));
}

TEST_F(LedgerTest, ALateDeleteMayBeWithoutEffectWhenAReceiveInBetweenWasNotAnswered) {
  Send("a|body", 1);
  Delete(Receive("a|body", 2, 1), 20);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, ALateDeleteMayComeAfterTheMoveToTheDeadLetterQueue) {
  Send("a|body", 1);
  Delete(Receive("a|body", 2, 5), 20);
  Receive("a|body", 101, 6, "orders-dlq");
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, AReceiveThatBeganBeforeTheDeleteWasAnsweredMayDeliver) {
  Send("a|body", 1);
  const auto first = Receive("a|body", 2, 1);
  Change(first, 3, 0);
  Delete(first, 4);
  Receive("a|body", 4.05, 2);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, ARedeliveryBeforeTheVisibilityTimeoutIsEarly) {
  Send("a|body", 1);
  Receive("a|body", 2, 1);
  Receive("a|body", 5, 2);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), ElementsAre("early"));
}

TEST_F(LedgerTest, AReleasedMessageMayComeAtOnce) {
  Send("a|body", 1);
  Change(Receive("a|body", 2, 1), 3, 0, Outcome::kUnknown);
  Receive("a|body", 4, 2);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, AnExtensionHolds) {
  Send("a|body", 1);
  Change(Receive("a|body", 2, 1), 3, 60);
  Receive("a|body", 30, 2);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), ElementsAre("early"));
}

TEST_F(LedgerTest, AnExtensionThatMayHaveComeTooLateProvesNothing) {
  Send("a|body", 1);
  Change(Receive("a|body", 2, 1), 13, 60);
  Receive("a|body", 30, 3);
  Receive("a|body", 101, 4);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, CountsMustRise) {
  Send("a|body", 1);
  Receive("a|body", 2, 2);
  Receive("a|body", 20, 1);
  Receive("b|body", 2, 1, "orders", "id-2");
  ledger_.Sent("orders", "b|body", At(1), Outcome::kOk, "id-2");
  Receive("b|body", 102, 1, "orders", "id-2");
  EXPECT_THAT(Broken(10), ElementsAre("count", "count"));
}

TEST_F(LedgerTest, BodiesComeBackAsTheyWere) {
  Send("a|body", 1);
  Receive("a|bodY", 101, 1);
  EXPECT_THAT(Broken(), ElementsAre("altered"));
}

TEST_F(LedgerTest, WhatWasNeverSentIsInvented) {
  Receive("a|body", 2, 1);
  EXPECT_THAT(Broken(), ElementsAre("invented"));
}

TEST_F(LedgerTest, WhatSurelyFailedIsInventedWhenItComes) {
  Send("a|body", 1, Outcome::kFailed);
  Receive("a|body", 2, 1);
  EXPECT_THAT(Broken(), ElementsAre("invented"));
}

TEST_F(LedgerTest, OneSendIsOneMessage) {
  Send("a|body", 1, Outcome::kUnknown);
  Receive("a|body", 2, 1, "orders", "id-1");
  Receive("a|body", 20, 2, "orders", "id-2");
  EXPECT_THAT(Broken(), ElementsAre("invented"));
}

TEST_F(LedgerTest, MessagesStayWhereTheyBelong) {
  Send("too-often|", 1);
  Receive("too-often|", 101, 6);
  Send("too-early|", 1);
  Receive("too-early|", 101, 5, "orders-dlq");
  Send("elsewhere|", 1);
  Receive("elsewhere|", 101, 1, "other");
  Send("dead|", 1);
  Receive("dead|", 101, 6, "orders-dlq");
  EXPECT_THAT(Broken(), ElementsAre("misplaced", "misplaced", "misplaced"));
}

TEST_F(LedgerTest, AViolationTellsTheHistory) {
  Send("a|body", 1);
  ledger_.Fault("kill -9", At(2));
  Delete(Receive("a|body", 3, 1), 4);
  Receive("a|body", 101, 2);
  ledger_.DrainStarted(absl::Seconds(100));
  EXPECT_EQ(Describe(ledger_.Check()),
            "1 broken promises: undead 1\n"
            "undead: message a. Its delete with receive 1 was answered at 4.100, yet receive 2 began at "
            "101.000 and delivered it.\n"
            "  1.000..1.100  send to orders: OK id-1\n"
            "  2.000..2.100  — kill -9\n"
            "  3.000..3.100  receive 1 from orders, hidden for 10s\n"
            "  4.000..4.100  delete with receive 1: OK\n"
            "  100.000..100.000  — drain starts\n"
            "  101.000..101.100  receive 2 from orders, hidden for 10s\n");
}

TEST_F(LedgerTest, TotalsCountWhatHappened) {
  Send("a|", 1);
  Send("b|", 1, Outcome::kUnknown);
  Send("c|", 1, Outcome::kFailed);
  Delete(Receive("a|", 2, 1), 3, Outcome::kUnknown);
  Delete(Receive("a|", 20, 6, "orders-dlq"), 21);
  const Ledger::Totals totals = ledger_.totals();
  EXPECT_EQ(totals.acknowledged, 1);
  EXPECT_EQ(totals.unknown_sends, 1);
  EXPECT_EQ(totals.surely_failed, 1);
  EXPECT_EQ(totals.deliveries, 2);
  EXPECT_EQ(totals.redeliveries, 1);
  EXPECT_EQ(totals.dead_lettered, 1);
  EXPECT_EQ(totals.deletes_answered, 1);
  EXPECT_EQ(totals.deletes_unknown, 1);
}

}  // namespace
}  // namespace weir
