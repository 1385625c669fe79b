#include "services/queue/engine/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace weir::queue::engine {
namespace {

Mail Tick(int request, size_t bytes = 1) {
  return Mail{core::RequestId(request), core::Tick{}, nullptr, bytes};
}

Mailbox::PutResult Put(Mailbox& mailbox, Mail mail) { return mailbox.Put(mail); }

TEST(MailboxTest, GivesEverythingInOrder) {
  Mailbox mailbox(10, 100);
  mailbox.Open();
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(Put(mailbox, Tick(i)), Mailbox::PutResult::kOk);
  const auto mail = mailbox.Take(absl::ZeroDuration(), 10, 100);
  ASSERT_EQ(mail.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(mail[i].request, core::RequestId(i + 1));
}

TEST(MailboxTest, RefusesAtOnceWhenFull) {
  Mailbox mailbox(2, 100);
  mailbox.Open();
  Put(mailbox, Tick(1));
  Put(mailbox, Tick(2));
  EXPECT_EQ(Put(mailbox, Tick(3)), Mailbox::PutResult::kFull);
  Mailbox by_bytes(10, 100);
  by_bytes.Open();
  EXPECT_EQ(Put(by_bytes, Tick(1, 60)), Mailbox::PutResult::kOk);
  EXPECT_EQ(Put(by_bytes, Tick(2, 60)), Mailbox::PutResult::kFull);
}

TEST(MailboxTest, FullMailboxStillTakesTheEnginesOwnCommands) {
  Mailbox mailbox(1, 100);
  mailbox.Open();
  Put(mailbox, Tick(1));
  Mail own = Tick(2);
  EXPECT_EQ(mailbox.PutInternal(own), Mailbox::PutResult::kOk);
}

TEST(MailboxTest, GroupIsBoundedByItemsAndBytes) {
  Mailbox mailbox(100, 1000);
  mailbox.Open();
  for (int i = 0; i < 10; ++i) Put(mailbox, Tick(i, 10));
  EXPECT_EQ(mailbox.Take(absl::ZeroDuration(), 4, 1000).size(), 4u);
  EXPECT_EQ(mailbox.Take(absl::ZeroDuration(), 100, 19).size(), 2u);
  EXPECT_EQ(mailbox.Take(absl::ZeroDuration(), 100, 1000).size(), 4u);
}

TEST(MailboxTest, ClosedMailboxRefusesAndGivesOutWhatItHeld) {
  Mailbox mailbox(10, 100);
  EXPECT_EQ(Put(mailbox, Tick(1)), Mailbox::PutResult::kClosed);
  mailbox.Open();
  Put(mailbox, Tick(2));
  EXPECT_EQ(mailbox.Close().size(), 1u);
  EXPECT_EQ(Put(mailbox, Tick(3)), Mailbox::PutResult::kClosed);
}

TEST(MailboxTest, MailWakesASleepingTaker) {
  Mailbox mailbox(10, 100);
  mailbox.Open();
  std::thread putter([&] { Put(mailbox, Tick(7)); });
  const auto mail = mailbox.Take(absl::InfiniteDuration(), 10, 100);
  putter.join();
  ASSERT_EQ(mail.size(), 1u);
  EXPECT_EQ(mail[0].request, core::RequestId(7));
}

TEST(MailboxTest, WakeEndsAWait) {
  Mailbox mailbox(10, 100);
  mailbox.Open();
  mailbox.Wake();
  EXPECT_TRUE(mailbox.Take(absl::InfiniteDuration(), 10, 100).empty());
}

// The time of day is set back by an hour whenever it is read; monotonic time runs ahead by as much.
class SetBackClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now() - ++reads_ * absl::Hours(1); }
  absl::Duration Monotonic() const override { return ++reads_ * absl::Hours(1); }

 private:
  mutable int reads_ = 0;
};

TEST(MailboxTest, WaitEndsByMonotonicTimeWhateverTheTimeOfDayDoes) {
  SetBackClock clock;
  Mailbox mailbox(10, 100, clock);
  mailbox.Open();
  EXPECT_TRUE(mailbox.Take(absl::Minutes(30), 10, 100).empty());
}

}  // namespace
}  // namespace weir::queue::engine
