// A checker that finds nothing proves nothing, so each rule is broken once here, and what looks broken but is allowed passes.
#include "tests/support/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace weir {
namespace {

using Outcome = Ledger::Outcome;

// Times are seconds; every request takes a tenth of one.
class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    ledger_.AddQueue({.name = "orders", .dead_letter_queue = "orders-dlq", .max_receive_count = 5});
  }

  static Ledger::Interval At(double start) {
    return {absl::Seconds(start), absl::Seconds(start + 0.1)};
  }
  void Send(absl::string_view body, double at, Outcome outcome = Outcome::kOk) {
    ledger_.Sent({.queue = "orders",
                  .body = std::string(body),
                  .at = At(at),
                  .outcome = outcome,
                  .message_id = outcome == Outcome::kOk ? "id-1" : ""});
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
  // Receives that nobody saw, if they happened.
  void Unanswered(double at, int receives = 1, absl::string_view queue = "orders") {
    for (int i = 0; i < receives; ++i) ledger_.ReceiveUnanswered(queue, At(at));
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
  Unanswered(50, 2);
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
  Unanswered(15);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, ALateDeleteMayComeAfterTheMoveToTheDeadLetterQueue) {
  Send("a|body", 1);
  Unanswered(1.5, 4);
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
  Unanswered(12.5);
  Receive("a|body", 30, 3);
  Receive("a|body", 101, 4);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, CountsMustRise) {
  Send("a|body", 1);
  Receive("a|body", 2, 2);
  Receive("a|body", 20, 1);
  Receive("b|body", 2, 1, "orders", "id-2");
  ledger_.Sent({.queue = "orders", .body = "b|body", .at = At(1), .message_id = "id-2"});
  Receive("b|body", 102, 1, "orders", "id-2");
  EXPECT_THAT(Broken(10), ElementsAre("count", "count"));
}

TEST_F(LedgerTest, AReceiveThatNobodyMayHaveMadeIsUnexplained) {
  Send("a|body", 1);
  Unanswered(1.5, 3, "another");
  Receive("a|body", 2, 1);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), ElementsAre("unexplained"));
}

TEST_F(LedgerTest, AFirstReceiveThatIsTheSecondIsUnexplained) {
  Send("a|body", 200);
  Unanswered(2);  // long before it was sent
  Unanswered(290, 1, "orders-dlq");
  Receive("a|body", 301, 2);
  EXPECT_THAT(Broken(300), ElementsAre("unexplained"));
}

TEST_F(LedgerTest, EachUnansweredReceiveExplainsOne) {
  Send("a|body", 1);
  Unanswered(50);
  Receive("a|body", 101, 3);
  EXPECT_THAT(Broken(), ElementsAre("unexplained"));
  Unanswered(60);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LedgerTest, AnUnansweredReceiveMayBeCarriedOutLate) {
  Send("a|body", 1);
  Receive("a|body", 2, 1);
  Unanswered(30);
  Receive("a|body", 60, 2);
  Receive("a|body", 101, 4);
  EXPECT_THAT(Broken(), IsEmpty());
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
  Unanswered(90, 5);
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

// ---- FIFO queues ----------------------------------------------------------------------------------------------------------

class FifoLedgerTest : public LedgerTest {
 protected:
  FifoLedgerTest() {
    ledger_.AddQueue({.name = "q.fifo", .fifo = true});
    ledger_.AddQueue({.name = "limited.fifo",
                      .dead_letter_queue = "dead.fifo",
                      .max_receive_count = 2,
                      .fifo = true});
  }

  // `number`: its position; 0: not answered.
  struct Sending {
    std::string key;
    int number = 0;
    std::string group = "g";
    std::string queue = "q.fifo";
    std::string deduplication_id = "";  // as the key
    std::string message_id = "";        // "id-" and the key
    int64_t batch = 0;
    Outcome outcome = Outcome::kOk;
  };
  void SendTo(double at, const Sending& send) {
    const bool answered = send.outcome == Outcome::kOk;
    ledger_.Sent({.queue = send.queue,
                  .body = send.key + "|",
                  .at = At(at),
                  .outcome = send.outcome,
                  .message_id = !answered                 ? ""
                                : send.message_id.empty() ? "id-" + send.key
                                                          : send.message_id,
                  .group = send.group,
                  .deduplication_id = send.deduplication_id.empty() ? send.key : send.deduplication_id,
                  .sequence_number = answered ? std::to_string(send.number) : "",
                  .batch = send.batch});
  }
  Ledger::DeliveryId Take(double at, const std::string& key, int number, int count = 1,
                          int64_t batch = 0, const std::string& queue = "q.fifo",
                          const std::string& group = "g", const std::string& id = "") {
    return ledger_.Delivered({.queue = queue,
                              .body = key + "|",
                              .message_id = id.empty() ? "id-" + key : id,
                              .receive_count = count,
                              .visibility_timeout = absl::Seconds(10),
                              .at = At(at),
                              .group = group,
                              .sequence_number = std::to_string(number),
                              .batch = batch});
  }
};

TEST_F(FifoLedgerTest, AGroupInOrderKeepsEveryPromise) {
  SendTo(1, {.key = "a", .number = 9});
  SendTo(2, {.key = "b", .number = 10});
  SendTo(1, {.key = "other", .number = 8, .group = "h"});
  Delete(Take(3, "a", 9, 1), 4);
  Delete(Take(3.5, "other", 8, 1, 0, "q.fifo", "h"), 4);
  Delete(Take(5, "b", 10, 1), 6);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, OneAnswerMayHoldAGroupInItsOrder) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  const auto a = Take(3, "a", 1, 1, 7);
  const auto b = Take(3, "b", 2, 1, 7);
  Delete(b, 4);
  Delete(a, 5);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, OneAnswerOutOfOrderIsFound) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  Delete(Take(3, "b", 2, 1, 7), 4);
  Delete(Take(3, "a", 1, 1, 7), 4);
  EXPECT_THAT(Broken(), ElementsAre("order"));
}

TEST_F(FifoLedgerTest, NobodyOvertakesAMessageThatNobodyHasReceived) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  Delete(Take(3, "b", 2), 4);
  Delete(Take(5, "a", 1), 6);
  EXPECT_THAT(Broken(), ElementsAre("order"));
}

TEST_F(FifoLedgerTest, NobodyOvertakesAMessageThatComesAgain) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  Take(3, "a", 1);
  Delete(Take(20, "b", 2), 21);
  Delete(Take(22, "a", 1, 2), 23);
  EXPECT_THAT(Broken(), ElementsAre("order"));
}

TEST_F(FifoLedgerTest, TwoConsumersInOneGroupAreFound) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  const auto a = Take(3, "a", 1);
  Delete(Take(5, "b", 2), 6);
  Delete(a, 7);
  EXPECT_THAT(Broken(), ElementsAre("exclusive"));
}

TEST_F(FifoLedgerTest, ADeleteThatMayHaveBeenCarriedOutLetsTheNextCome) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  Delete(Take(3, "a", 1), 4, Outcome::kUnknown);
  Delete(Take(5, "b", 2), 6);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, ADeleteInVainDoesNot) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  Delete(Take(3, "a", 1), 4, Outcome::kUnknown);
  Delete(Take(5, "b", 2), 6);
  Delete(Take(20, "a", 1, 2), 21);
  EXPECT_THAT(Broken(), ElementsAre("exclusive"));
}

TEST_F(FifoLedgerTest, TheFirstAloneMayComeAgainWhileTheNextIsHeld) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 2});
  const auto a = Take(3, "a", 1, 1, 7);
  const auto b = Take(3, "b", 2, 1, 7);
  Change(a, 4, 0);
  Delete(Take(5, "a", 1, 2), 6);
  Delete(b, 7);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, WhatMayHaveGoneToTheDeadLetterQueueIsNotAhead) {
  SendTo(1, {.key = "a", .number = 1, .queue = "limited.fifo"});
  SendTo(2, {.key = "b", .number = 2, .queue = "limited.fifo"});
  Take(3, "a", 1, 1, 0, "limited.fifo");
  Take(20, "a", 1, 2, 0, "limited.fifo");
  Delete(Take(40, "b", 2, 1, 0, "limited.fifo"), 41);
  Delete(Take(50, "a", 7, 3, 0, "dead.fifo"), 51);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, WhatWasStillInItsQueueWasAhead) {
  SendTo(1, {.key = "a", .number = 1, .queue = "limited.fifo"});
  SendTo(2, {.key = "b", .number = 2, .queue = "limited.fifo"});
  Take(3, "a", 1, 1, 0, "limited.fifo");
  Delete(Take(20, "b", 2, 1, 0, "limited.fifo"), 21);
  Delete(Take(30, "a", 1, 2, 0, "limited.fifo"), 31);
  EXPECT_THAT(Broken(), ElementsAre("order"));
}

TEST_F(FifoLedgerTest, AcknowledgedSendsKeepTheirOrder) {
  SendTo(1, {.key = "a", .number = 2});
  SendTo(2, {.key = "b", .number = 1});
  Delete(Take(3, "b", 1), 4);
  Delete(Take(5, "a", 2), 6);
  EXPECT_THAT(Broken(), ElementsAre("sequence"));
}

TEST_F(FifoLedgerTest, SendsThatRunAtOnceMayComeInAnyOrder) {
  SendTo(1, {.key = "a", .number = 2});
  SendTo(1.05, {.key = "b", .number = 1});
  Delete(Take(3, "b", 1), 4);
  Delete(Take(5, "a", 2), 6);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, ASendOfUnknownOutcomeMayComeLate) {
  SendTo(1, {.key = "a", .outcome = Outcome::kUnknown});
  SendTo(2, {.key = "b", .number = 1});
  Delete(Take(3, "b", 1), 4);
  Delete(Take(5, "a", 2), 6);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, ABatchKeepsItsOrder) {
  SendTo(1, {.key = "z", .number = 1, .batch = 5});
  SendTo(1, {.key = "a", .number = 2, .batch = 5});
  SendTo(2, {.key = "c", .number = 4, .batch = 6});
  SendTo(2, {.key = "b", .number = 3, .batch = 6});
  Delete(Take(10, "z", 1), 10.5);
  Delete(Take(11, "a", 2), 11.5);
  Delete(Take(12, "b", 3), 12.5);
  Delete(Take(13, "c", 4), 13.5);
  EXPECT_THAT(Broken(), ElementsAre("sequence"));
}

TEST_F(FifoLedgerTest, ReceiversSeeTheNumberOfTheSender) {
  SendTo(1, {.key = "a", .number = 1});
  Delete(Take(3, "a", 2), 4);
  EXPECT_THAT(Broken(), ElementsAre("sequence"));
}

TEST_F(FifoLedgerTest, NoTwoMessagesOfAGroupHaveOneNumber) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 1});
  Delete(Take(3, "a", 1), 4);
  Delete(Take(5, "b", 1), 6);
  EXPECT_THAT(Broken(), ElementsAre("sequence"));
}

TEST_F(FifoLedgerTest, GroupsComeBackAsTheyWere) {
  SendTo(1, {.key = "a", .number = 1});
  Delete(Take(3, "a", 1, 1, 0, "q.fifo", "h"), 4);
  EXPECT_THAT(Broken(), ElementsAre("altered"));
}

TEST_F(FifoLedgerTest, ARepeatIsAnsweredWithTheFirst) {
  SendTo(1, {.key = "a", .outcome = Outcome::kUnknown});
  SendTo(2, {.key = "a", .number = 1});
  SendTo(3, {.key = "b", .number = 2});
  Delete(Take(4, "a", 1), 5);
  SendTo(6, {.key = "a", .number = 1});
  // The body is that of the first.
  SendTo(7, {.key = "unseen", .number = 1, .deduplication_id = "a", .message_id = "id-a"});
  Delete(Take(8, "b", 2), 9);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FifoLedgerTest, ARepeatThatBecomesAMessageIsFound) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "a", .number = 2, .message_id = "id-again"});
  Delete(Take(4, "a", 1), 5);
  EXPECT_THAT(Broken(), testing::Contains("duplicated"));
}

TEST_F(FifoLedgerTest, ARepeatThatIsDeliveredOnItsOwnIsFound) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .deduplication_id = "a", .outcome = Outcome::kUnknown});
  Delete(Take(4, "a", 1), 5);
  Delete(Take(6, "b", 2), 7);
  EXPECT_THAT(Broken(), testing::Contains("duplicated"));
}

TEST_F(FifoLedgerTest, ARepeatWhoseFirstIsNowhereIsLost) {
  SendTo(1, {.key = "a", .number = 1});
  SendTo(2, {.key = "b", .number = 1, .deduplication_id = "a", .message_id = "id-a"});
  EXPECT_THAT(Broken(), ElementsAre("lost", "lost"));
}

TEST_F(FifoLedgerTest, AfterTheWindowAnIdIsANewMessage) {
  SendTo(1, {.key = "a", .number = 1});
  Delete(Take(4, "a", 1), 5);
  SendTo(400, {.key = "b", .number = 2, .deduplication_id = "a"});
  Delete(Take(404, "b", 2), 405);
  EXPECT_THAT(Broken(500), IsEmpty());
}

TEST_F(FifoLedgerTest, AnOldReceiptThatWasAnsweredDeletes) {
  SendTo(1, {.key = "a", .number = 1});
  const auto first = Take(2, "a", 1);
  Unanswered(15, 1, "q.fifo");
  Delete(first, 20);
  Delete(Take(40, "a", 1, 3), 41);
  EXPECT_THAT(Broken(), ElementsAre("undead"));
}

// ---- For people -----------------------------------------------------------------------------------------------------------

TEST_F(FifoLedgerTest, TheHistoryHasEveryEvent) {
  SendTo(1, {.key = "a", .number = 1});
  ledger_.Fault("kill -9", At(2));
  const auto taken = Take(3, "a", 1);
  Unanswered(2, 1, "q.fifo");
  Change(taken, 4, 60);
  Delete(taken, 5, Outcome::kUnknown);
  ledger_.DrainStarted(absl::Seconds(100));
  const std::string path = testing::TempDir() + "/ledger_test_history";
  ASSERT_TRUE(ledger_.WriteHistory(path).ok());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(),
            "  1.000..1.100  a: send to q.fifo group g deduplicated by a: OK id-a number 1\n"
            "  2.000..2.100  receive from q.fifo: outcome unknown\n"
            "  2.000..2.100  — kill -9\n"
            "  3.000..3.100  a: receive 1 from q.fifo group g number 1, hidden for 10s\n"
            "  4.000..4.100  a: visibility of receive 1 changed to 1m: OK\n"
            "  5.000..5.100  a: delete with receive 1: outcome unknown\n"
            "  100.000..100.000  — drain starts\n");
  EXPECT_FALSE(ledger_.WriteHistory("/nowhere/history").ok());
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
