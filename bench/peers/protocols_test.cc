#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/peers/address.h"
#include "bench/peers/beanstalkd_protocol.h"
#include "bench/peers/confirm_window.h"
#include "bench/peers/jetstream_protocol.h"

namespace weir::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = BeanstalkdReply::Kind;

TEST(AddressTest, IsAHostAndAPort) {
  const auto address = ParseAddress("127.0.0.1:11300");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_EQ(address->port, 11300);
  for (const char* wrong :
       {"", "localhost", ":1", "localhost:", "localhost:0", "localhost:65536"}) {
    EXPECT_THAT(std::string(ParseAddress(wrong).status().message()), HasSubstr("HOST:PORT"))
        << wrong;
  }
}

TEST(BeanstalkdProtocolTest, RepliesAreTakenOneByOne) {
  absl::string_view data = "INSERTED 12\r\nRESERVED 12 5\r\na\r\nbc\r\nDELETED\r\nTIMED_OUT\r\n";
  BeanstalkdReply reply;
  std::vector<Kind> kinds;
  while (!data.empty()) {
    const auto used = ParseBeanstalkdReply(data, reply);
    ASSERT_TRUE(used.ok()) << used.status();
    ASSERT_GT(*used, 0);
    kinds.push_back(reply.kind);
    data.remove_prefix(*used);
  }
  EXPECT_THAT(kinds,
              ElementsAre(Kind::kInserted, Kind::kReserved, Kind::kDeleted, Kind::kTimedOut));
  EXPECT_EQ(reply.id, 12);
  EXPECT_EQ(reply.body, "a\r\nbc");
}

TEST(BeanstalkdProtocolTest, PartOfAReplyIsNotTaken) {
  const absl::string_view whole = "RESERVED 7 3\r\nabc\r\n";
  BeanstalkdReply reply;
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto used = ParseBeanstalkdReply(whole.substr(0, length), reply);
    ASSERT_TRUE(used.ok()) << used.status();
    EXPECT_EQ(*used, 0) << length;
  }
  EXPECT_EQ(*ParseBeanstalkdReply(whole, reply), whole.size());
}

TEST(BeanstalkdProtocolTest, ErrorsComeWithTheirWords) {
  BeanstalkdReply reply;
  for (const char* error : {"OUT_OF_MEMORY\r\n", "BURIED 7\r\n", "JOB_TOO_BIG\r\n", "DRAINING\r\n",
                            "RESERVED 7 1\r\nabc\r\n", "INSERTED x\r\n", "\r\n"}) {
    EXPECT_EQ(ParseBeanstalkdReply(error, reply).status().code(), absl::StatusCode::kInternal)
        << error;
  }
  EXPECT_THAT(std::string(ParseBeanstalkdReply("DRAINING\r\n", reply).status().message()),
              HasSubstr("DRAINING"));
}

TEST(JetStreamProtocolTest, PubAckHasTheSequence) {
  EXPECT_EQ(*SequenceOfPubAck(R"({"stream":"s", "seq":7})"), 7);
  for (const char* wrong :
       {"", "-ERR", "[]", R"({"seq":"7"})", R"({"stream":"s"})",
        R"({"error":{"code":503,"description":"no storage"},"stream":"s","seq":0})"}) {
    EXPECT_FALSE(SequenceOfPubAck(wrong).ok()) << wrong;
  }
}

TEST(JetStreamProtocolTest, ReplySubjectHasTheSequence) {
  EXPECT_EQ(*SequenceOfReplySubject("$JS.ACK.s.workers.1.42.7.1700000000000000000.0"), 42);
  EXPECT_FALSE(SequenceOfReplySubject("_INBOX.abc").ok());
  EXPECT_FALSE(SequenceOfReplySubject("$JS.ACK.s.workers.1.x.7.1700000000000000000.0").ok());
}

class ConfirmWindowTest : public testing::Test {
 protected:
  std::vector<int64_t> Confirm(uint64_t number, bool multiple) {
    std::vector<int64_t> sent_at;
    for (const auto& message : window_.Confirm(number, multiple)) {
      sent_at.push_back(message.sent_at);
    }
    return sent_at;
  }

  void Add(int count) {
    for (int i = 0; i < count; ++i) window_.Add({.sent_at = ++sent_});
  }

  ConfirmWindow window_;
  int64_t sent_ = 0;
};

TEST_F(ConfirmWindowTest, OneConfirmIsOneMessage) {
  Add(3);
  EXPECT_THAT(Confirm(2, false), ElementsAre(2));
  EXPECT_EQ(window_.outstanding(), 2);
  EXPECT_THAT(Confirm(2, false), IsEmpty());
  EXPECT_THAT(Confirm(9, false), IsEmpty());
  EXPECT_THAT(Confirm(1, false), ElementsAre(1));
  Add(1);
  EXPECT_THAT(Confirm(4, false), ElementsAre(4));
  EXPECT_EQ(window_.outstanding(), 1);
}

TEST_F(ConfirmWindowTest, ConfirmOfMultipleIsAllUpToIt) {
  Add(5);
  EXPECT_THAT(Confirm(2, false), ElementsAre(2));
  EXPECT_THAT(Confirm(4, true), ElementsAre(1, 3, 4));
  EXPECT_THAT(Confirm(5, true), ElementsAre(5));
  EXPECT_EQ(window_.outstanding(), 0);
}

}  // namespace
}  // namespace weir::bench
