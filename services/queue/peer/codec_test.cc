#include "services/queue/peer/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "libs/base/error.h"

namespace weir::queue::peer {
namespace {

using core::MessageSeq;
using core::PartitionId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

const PartitionId kPartition(7);
// The two machines' clocks are an hour apart.
const absl::Time kHere = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kThere = kHere + absl::Hours(1);
// The store's.
const absl::Time kSentAt = absl::FromUnixNanos(1'700'000'123'456'789'001);

core::ContentPtr Content() {
  return std::make_shared<core::MessageContent>(
      core::MessageContent{.message_id = "id",
                           .body = std::string("b\xC3\xA4\0\xFF", 5),
                           .attributes = std::string("\x00\x01", 2),
                           .message_group_id = "group",
                           .deduplication_id = "deduplication",
                           .dead_letter_source_arn = "arn"});
}

void ExpectContent(const core::ContentPtr& content) {
  ASSERT_NE(content, nullptr);
  const core::ContentPtr expected = Content();
  EXPECT_EQ(content->message_id, expected->message_id);
  EXPECT_EQ(content->body, expected->body);
  EXPECT_EQ(content->attributes, expected->attributes);
  EXPECT_EQ(content->message_group_id, expected->message_group_id);
  EXPECT_EQ(content->deduplication_id, expected->deduplication_id);
  EXPECT_EQ(content->dead_letter_source_arn, expected->dead_letter_source_arn);
}

// There, over bytes.
template <typename Command>
Command Travel(const Command& command) {
  v1::Command encoded;
  EXPECT_EQ(EncodeCommand(command, kHere, encoded), absl::OkStatus());
  v1::Command arrived;
  EXPECT_TRUE(arrived.ParseFromString(encoded.SerializeAsString()));
  absl::StatusOr<core::Command> decoded = DecodeCommand(std::move(arrived), kThere);
  EXPECT_TRUE(decoded.ok()) << decoded.status();
  return std::get<Command>(*std::move(decoded));
}

template <typename Reply>
Reply TravelBack(const Reply& reply) {
  v1::Reply encoded;
  EncodeReply(reply, encoded);
  v1::Reply arrived;
  EXPECT_TRUE(arrived.ParseFromString(encoded.SerializeAsString()));
  absl::StatusOr<core::Reply> decoded = DecodeReply(std::move(arrived));
  EXPECT_TRUE(decoded.ok()) << decoded.status();
  return std::get<Reply>(*std::move(decoded));
}

ErrorReason DecodeError(v1::Command command) {
  return ReasonOf(DecodeCommand(std::move(command), kThere).status());
}

TEST(CodecTest, SendTravels) {
  core::Send send{.partition = kPartition, .config = nullptr, .messages = {}};
  send.messages.push_back({Content(), std::nullopt});
  send.messages.push_back({Content(), absl::Seconds(3)});
  const core::Send arrived = Travel(send);
  EXPECT_EQ(arrived.partition, kPartition);
  EXPECT_EQ(arrived.config, nullptr);
  ASSERT_THAT(arrived.messages, SizeIs(2));
  ExpectContent(arrived.messages[0].content);
  EXPECT_EQ(arrived.messages[0].delay, std::nullopt);
  EXPECT_EQ(arrived.messages[1].delay, absl::Seconds(3));
}

TEST(CodecTest, EndOfALongPollIsInTheReceiversTime) {
  core::Receive receive{.partition = kPartition, .config = nullptr};
  receive.max_messages = 10;
  receive.visibility_timeout = absl::ZeroDuration();
  receive.wait_until = kHere + absl::Seconds(20);
  receive.consumer = "10.0.0.1:45678";
  receive.attempt_id = "attempt";
  receive.only_repeat = true;
  const core::Receive arrived = Travel(receive);
  EXPECT_EQ(arrived.partition, kPartition);
  EXPECT_EQ(arrived.max_messages, 10);
  EXPECT_EQ(arrived.visibility_timeout, absl::ZeroDuration());
  EXPECT_EQ(arrived.wait_until, kThere + absl::Seconds(20));
  EXPECT_EQ(arrived.consumer, "10.0.0.1:45678");
  EXPECT_EQ(arrived.attempt_id, "attempt");
  EXPECT_TRUE(arrived.only_repeat);
}

TEST(CodecTest, ReceiveThatDoesNotWaitDoesNotWaitThere) {
  core::Receive receive{.partition = kPartition, .config = nullptr};
  EXPECT_EQ(Travel(receive).wait_until, absl::InfinitePast());
  EXPECT_EQ(Travel(receive).visibility_timeout, std::nullopt);
  receive.wait_until = kHere - absl::Seconds(1);
  EXPECT_EQ(Travel(receive).wait_until, absl::InfinitePast());
  receive.wait_until = absl::InfiniteFuture();
  EXPECT_EQ(Travel(receive).wait_until, absl::InfiniteFuture());
}

TEST(CodecTest, CommandsAboutReceiptsTravel) {
  const core::Delete erase =
      Travel(core::Delete{kPartition, {{MessageSeq(1), 2}, {MessageSeq(3), 4}}});
  EXPECT_EQ(erase.partition, kPartition);
  ASSERT_THAT(erase.receipts, SizeIs(2));
  EXPECT_EQ(erase.receipts[1].seq, MessageSeq(3));
  EXPECT_EQ(erase.receipts[1].receive_count, 4);

  const core::ChangeVisibility change =
      Travel(core::ChangeVisibility{kPartition, {{{MessageSeq(1), 2}, absl::Milliseconds(1500)}}});
  ASSERT_THAT(change.entries, SizeIs(1));
  EXPECT_EQ(change.entries[0].receipt.seq, MessageSeq(1));
  EXPECT_EQ(change.entries[0].receipt.receive_count, 2);
  EXPECT_EQ(change.entries[0].timeout, absl::Milliseconds(1500));

  const core::ReleaseLease release = Travel(core::ReleaseLease{kPartition, {{MessageSeq(5), 6}}});
  ASSERT_THAT(release.receipts, SizeIs(1));
  EXPECT_EQ(release.receipts[0].seq, MessageSeq(5));
  EXPECT_EQ(release.receipts[0].receive_count, 6);
}

TEST(CodecTest, CommandsAboutPartitionsTravel) {
  EXPECT_EQ(Travel(core::Purge{kPartition}).partition, kPartition);
  EXPECT_EQ(Travel(core::DropPartition{kPartition}).partition, kPartition);
  EXPECT_EQ(Travel(core::TakeForRedrive{kPartition, nullptr, 12}).limit, 12);
}

TEST(CodecTest, CommandsOfTransfersTravel) {
  const core::TransferId transfer{PartitionId(8), MessageSeq(9)};
  const core::AcceptTransfer accept =
      Travel(core::AcceptTransfer{kPartition, nullptr, transfer, kSentAt, 3, Content()});
  EXPECT_EQ(accept.partition, kPartition);
  EXPECT_EQ(accept.transfer, transfer);
  EXPECT_EQ(accept.sent_at, kSentAt) << "the store's time is the same everywhere";
  EXPECT_EQ(accept.receive_count, 3);
  ExpectContent(accept.content);

  EXPECT_EQ(Travel(core::FinishTransfer{kPartition, MessageSeq(4)}).seq, MessageSeq(4));
  EXPECT_EQ(Travel(core::ForgetTransfer{kPartition, transfer}).transfer, transfer);
  EXPECT_EQ(Travel(core::AbortTransfer{kPartition, MessageSeq(4)}).retry_after, std::nullopt);
  EXPECT_EQ(Travel(core::AbortTransfer{kPartition, MessageSeq(4), absl::Seconds(1)}).retry_after,
            absl::Seconds(1));
}

TEST(CodecTest, CommandsOfTheOwnerNeverTravel) {
  const std::vector<core::Command> commands = {
      core::CancelReceive{}, core::Configure{},   core::Refill{},
      core::CopyForward{},   core::Tick{},        core::MoveWithinShard{}};
  for (const core::Command& command : commands) {
    v1::Command encoded;
    const absl::Status refused = EncodeCommand(command, kHere, encoded);
    EXPECT_EQ(ReasonOf(refused), ErrorReason::kInternal);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("only the owner"));
  }
}

TEST(CodecTest, RepliesTravel) {
  const core::SendReply sent =
      TravelBack(core::SendReply{{MessageSeq(1), MessageSeq(2)}, {"", "first"}});
  EXPECT_THAT(sent.seqs, ElementsAre(MessageSeq(1), MessageSeq(2)));
  EXPECT_THAT(sent.duplicate_of, ElementsAre("", "first"));
  EXPECT_EQ(TravelBack(core::PurgeReply{5}).removed, 5);
  EXPECT_EQ(TravelBack(core::TakeReply{6}).taken, 6);
  TravelBack(core::TransferReply{});
  EXPECT_THAT(TravelBack(core::DeleteReply{{core::DeleteOutcome::kDeleted,
                                            core::DeleteOutcome::kAlreadyGone,
                                            core::DeleteOutcome::kStaleReceipt,
                                            core::DeleteOutcome::kReceiptExpired}})
                  .outcomes,
              ElementsAre(core::DeleteOutcome::kDeleted, core::DeleteOutcome::kAlreadyGone,
                          core::DeleteOutcome::kStaleReceipt,
                          core::DeleteOutcome::kReceiptExpired));
  EXPECT_THAT(TravelBack(core::ChangeVisibilityReply{{core::ChangeVisibilityOutcome::kChanged,
                                                      core::ChangeVisibilityOutcome::kMessageGone,
                                                      core::ChangeVisibilityOutcome::kBeyondLimit,
                                                      core::ChangeVisibilityOutcome::kReceiptExpired}})
                  .outcomes,
              ElementsAre(core::ChangeVisibilityOutcome::kChanged,
                          core::ChangeVisibilityOutcome::kMessageGone,
                          core::ChangeVisibilityOutcome::kBeyondLimit,
                          core::ChangeVisibilityOutcome::kReceiptExpired));
}

TEST(CodecTest, ReceivedMessagesKeepTheStoresTime) {
  core::ReceivedMessage message{.seq = MessageSeq(1),
                                .receive_count = 2,
                                .sent_at = kSentAt,
                                .first_received_at = kSentAt + absl::Seconds(1),
                                .visible_at = absl::InfiniteFuture(),
                                .content = Content()};
  const core::ReceiveReply reply = TravelBack(core::ReceiveReply{kPartition, {message}});
  EXPECT_EQ(reply.partition, kPartition);
  ASSERT_THAT(reply.messages, SizeIs(1));
  EXPECT_EQ(reply.messages[0].seq, MessageSeq(1));
  EXPECT_EQ(reply.messages[0].receive_count, 2);
  EXPECT_EQ(reply.messages[0].sent_at, kSentAt);
  EXPECT_EQ(reply.messages[0].first_received_at, kSentAt + absl::Seconds(1));
  EXPECT_EQ(reply.messages[0].visible_at, absl::InfiniteFuture());
  ExpectContent(reply.messages[0].content);
  EXPECT_THAT(TravelBack(core::ReceiveReply{}).messages, IsEmpty());
}

TEST(CodecTest, ErrorsKeepReasonAndMetadata) {
  const absl::Status status = TravelBack<absl::Status>(
      MakeError(ErrorReason::kOverLimit, "Too many.", {{"limit", "120000"}, {"odd", "\xFF"}}));
  EXPECT_EQ(ReasonOf(status), ErrorReason::kOverLimit);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "Too many.");
  EXPECT_THAT(MetadataOf(status), ElementsAre(Pair("limit", "120000"), Pair("odd", "\xFF")));
}

TEST(CodecTest, ErrorsOfLaterVersionsKeepTheirCode) {
  v1::Status status;
  status.set_code(9);
  status.set_message("New.");
  status.set_reason("INVENTED_LATER");
  EXPECT_EQ(DecodeStatus(status), absl::FailedPreconditionError("New."));
  status.set_code(0);
  EXPECT_EQ(ReasonOf(DecodeStatus(status)), ErrorReason::kInternal) << "an error is never OK";
  status.set_code(77);
  EXPECT_EQ(ReasonOf(DecodeStatus(status)), ErrorReason::kInternal);
}

TEST(CodecTest, QueriesTravel) {
  v1::Query encoded;
  EncodeQuery(engine::StatsQuery{{PartitionId(1), PartitionId(2)}}, encoded);
  EXPECT_THAT(std::get<engine::StatsQuery>(DecodeQuery(encoded).value()).partitions,
              ElementsAre(PartitionId(1), PartitionId(2)));

  EncodeQuery(engine::PeekQuery{.partition = kPartition,
                                .after = MessageSeq(5),
                                .limit = 6,
                                .ready = false,
                                .in_flight = true,
                                .delayed = false,
                                .bytes_max = 7},
              encoded);
  const auto peek = std::get<engine::PeekQuery>(DecodeQuery(encoded).value());
  EXPECT_EQ(peek.partition, kPartition);
  EXPECT_EQ(peek.after, MessageSeq(5));
  EXPECT_EQ(peek.limit, 6);
  EXPECT_FALSE(peek.ready);
  EXPECT_TRUE(peek.in_flight);
  EXPECT_FALSE(peek.delayed);
  EXPECT_EQ(peek.bytes_max, 7);
}

TEST(CodecTest, LoadTravels) {
  v1::Query query;
  EncodeQuery(engine::LoadQuery{}, query);
  EXPECT_TRUE(std::holds_alternative<engine::LoadQuery>(DecodeQuery(query).value()));
  v1::Answer encoded;
  EncodeAnswer(engine::LoadAnswer{true, 1, absl::Milliseconds(2), 3, 4}, encoded);
  const auto load = std::get<engine::LoadAnswer>(DecodeAnswer(std::move(encoded)).value());
  EXPECT_TRUE(load.serving);
  EXPECT_EQ(load.waiting_commands, 1);
  EXPECT_EQ(load.oldest_wait, absl::Milliseconds(2));
  EXPECT_EQ(load.segments, 3);
  EXPECT_EQ(load.rows, 4);
}

TEST(CodecTest, StatsTravel) {
  core::PartitionStats stats;
  stats.ready = 1;
  stats.in_flight = 2;
  stats.delayed = 3;
  stats.oldest_sent_at = kSentAt;
  stats.waiting_receives = 4;
  stats.sent = 5;
  stats.received = 6;
  stats.deleted = 7;
  stats.dead_lettered = 8;
  stats.expired = 9;
  stats.blocked = 10;
  stats.groups = 11;
  v1::Answer encoded;
  EncodeAnswer(engine::StatsAnswer{{core::PartitionStats(), stats}}, encoded);
  const auto answer = std::get<engine::StatsAnswer>(DecodeAnswer(std::move(encoded)).value());
  ASSERT_THAT(answer.stats, SizeIs(2));
  EXPECT_EQ(answer.stats[0].oldest_sent_at, std::nullopt);
  EXPECT_EQ(answer.stats[1].ready, 1);
  EXPECT_EQ(answer.stats[1].in_flight, 2);
  EXPECT_EQ(answer.stats[1].delayed, 3);
  EXPECT_EQ(answer.stats[1].oldest_sent_at, kSentAt);
  EXPECT_EQ(answer.stats[1].waiting_receives, 4);
  EXPECT_EQ(answer.stats[1].sent, 5);
  EXPECT_EQ(answer.stats[1].received, 6);
  EXPECT_EQ(answer.stats[1].deleted, 7);
  EXPECT_EQ(answer.stats[1].dead_lettered, 8);
  EXPECT_EQ(answer.stats[1].expired, 9);
  EXPECT_EQ(answer.stats[1].blocked, 10);
  EXPECT_EQ(answer.stats[1].groups, 11);
}

TEST(CodecTest, PeekedMessagesTravel) {
  engine::PeekAnswer peek;
  peek.looked_to = MessageSeq(9);
  peek.messages.push_back({.seq = MessageSeq(8),
                           .state = engine::PeekedState::kDelayed,
                           .sent_at = kSentAt,
                           .visible_at = kSentAt + absl::Seconds(1),
                           .first_received_at = kSentAt + absl::Seconds(2),
                           .receive_count = 3,
                           .content = Content()});
  v1::Answer encoded;
  EncodeAnswer(peek, encoded);
  const auto answer = std::get<engine::PeekAnswer>(DecodeAnswer(std::move(encoded)).value());
  EXPECT_EQ(answer.looked_to, MessageSeq(9));
  ASSERT_THAT(answer.messages, SizeIs(1));
  EXPECT_EQ(answer.messages[0].seq, MessageSeq(8));
  EXPECT_EQ(answer.messages[0].state, engine::PeekedState::kDelayed);
  EXPECT_EQ(answer.messages[0].sent_at, kSentAt);
  EXPECT_EQ(answer.messages[0].visible_at, kSentAt + absl::Seconds(1));
  EXPECT_EQ(answer.messages[0].first_received_at, kSentAt + absl::Seconds(2));
  EXPECT_EQ(answer.messages[0].receive_count, 3);
  ExpectContent(answer.messages[0].content);
}

TEST(CodecTest, GroupsTravel) {
  v1::Query query;
  EncodeQuery(engine::GroupsQuery{PartitionId(7), "after", 5, true}, query);
  const auto asked = std::get<engine::GroupsQuery>(DecodeQuery(query).value());
  EXPECT_EQ(asked.partition, PartitionId(7));
  EXPECT_EQ(asked.after, "after");
  EXPECT_EQ(asked.limit, 5);
  EXPECT_TRUE(asked.blocked_only);

  engine::GroupsAnswer answer;
  answer.looked_to = "z";
  answer.groups.push_back({.status = {.group = "free", .ready = 1, .noisy = true}});
  answer.groups.push_back({.status = {.group = "blocked",
                                      .in_flight = 2,
                                      .delayed = 3,
                                      .blocker = core::GroupStatus::Blocker{MessageSeq(8), kSentAt,
                                                                            absl::InfiniteFuture(), 4, "me"}},
                           .blocker_id = "id"});
  v1::Answer encoded;
  EncodeAnswer(answer, encoded);
  const auto arrived = std::get<engine::GroupsAnswer>(DecodeAnswer(std::move(encoded)).value());
  EXPECT_EQ(arrived.looked_to, "z");
  ASSERT_THAT(arrived.groups, SizeIs(2));
  EXPECT_EQ(arrived.groups[0].status.group, "free");
  EXPECT_EQ(arrived.groups[0].status.ready, 1);
  EXPECT_TRUE(arrived.groups[0].status.noisy);
  EXPECT_FALSE(arrived.groups[0].status.blocker.has_value());
  const core::GroupStatus& blocked = arrived.groups[1].status;
  EXPECT_EQ(blocked.in_flight, 2);
  EXPECT_EQ(blocked.delayed, 3);
  ASSERT_TRUE(blocked.blocker.has_value());
  EXPECT_EQ(blocked.blocker->seq, MessageSeq(8));
  EXPECT_EQ(blocked.blocker->since, kSentAt);
  EXPECT_EQ(blocked.blocker->until, absl::InfiniteFuture());
  EXPECT_EQ(blocked.blocker->receive_count, 4);
  EXPECT_EQ(blocked.blocker->consumer, "me");
  EXPECT_EQ(arrived.groups[1].blocker_id, "id");
}

TEST(CodecTest, WhatIsNotSetIsInvalid) {
  v1::Command command;
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue) << "no partition";
  command.set_partition(1);
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue) << "no command";
  EXPECT_EQ(ReasonOf(DecodeReply(v1::Reply()).status()), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(DecodeQuery(v1::Query()).status()), ErrorReason::kInvalidParameterValue);
  EXPECT_EQ(ReasonOf(DecodeAnswer(v1::Answer()).status()), ErrorReason::kInvalidParameterValue);
}

TEST(CodecTest, ValuesThatTheCoreCannotWorkWithAreInvalid) {
  v1::Command command;
  command.set_partition(1);
  command.mutable_send();
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue) << "no messages";
  command.mutable_send()->add_messages()->set_delay_ns(-1);
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
  command.mutable_receive()->set_max_messages(0);
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
  command.mutable_receive()->set_max_messages(1);
  command.mutable_receive()->set_visibility_timeout_ns(-1);
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
  command.mutable_delete_()->add_receipts()->set_seq(-3);
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
  command.mutable_change_visibility()->add_entries();
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
  command.mutable_accept_transfer()->mutable_transfer()->set_source_partition(-1);
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
  command.mutable_take_for_redrive();
  EXPECT_EQ(DecodeError(command), ErrorReason::kInvalidParameterValue);
}

// Bytes that something has damaged: whatever still parses is decoded or refused.
TEST(CodecTest, DamagedBytesNeverCrash) {
  std::vector<std::string> samples;
  const auto add_command = [&](const core::Command& command) {
    v1::Command encoded;
    ASSERT_EQ(EncodeCommand(command, kHere, encoded), absl::OkStatus());
    samples.push_back(encoded.SerializeAsString());
  };
  core::Send send{.partition = kPartition, .config = nullptr, .messages = {}};
  send.messages.push_back({Content(), absl::Seconds(3)});
  add_command(send);
  add_command(core::Receive{.partition = kPartition, .config = nullptr});
  add_command(core::Delete{kPartition, {{MessageSeq(1), 2}}});
  add_command(core::AcceptTransfer{
      kPartition, nullptr, {PartitionId(8), MessageSeq(9)}, kSentAt, 3, Content()});
  v1::Reply reply;
  EncodeReply(core::ReceiveReply{kPartition, {{.seq = MessageSeq(1), .content = Content()}}}, reply);
  samples.push_back(reply.SerializeAsString());

  std::mt19937 random(17);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = samples[random() % samples.size()];
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    v1::Command command;
    if (command.ParseFromString(bytes)) refused += !DecodeCommand(std::move(command), kThere).ok();
    v1::Reply damaged;
    if (damaged.ParseFromString(bytes)) refused += !DecodeReply(std::move(damaged)).ok();
    v1::Answer answer;
    if (answer.ParseFromString(bytes)) refused += !DecodeAnswer(std::move(answer)).ok();
    v1::Query query;
    if (query.ParseFromString(bytes)) refused += !DecodeQuery(query).ok();
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace weir::queue::peer
