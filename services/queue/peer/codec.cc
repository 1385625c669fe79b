#include "services/queue/peer/codec.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace weir::queue::peer {
namespace {

using core::MessageSeq;
using core::PartitionId;

constexpr int64_t kFuture = std::numeric_limits<int64_t>::max();
constexpr int64_t kPast = std::numeric_limits<int64_t>::min();

absl::Status Invalid(absl::string_view field, absl::string_view allowed) {
  return MakeError(ErrorReason::kInvalidParameterValue,
                   absl::StrCat("Another replica sent a value for ", field,
                                " that is invalid: must be ", allowed, "."),
                   {{"field", std::string(field)}});
}

absl::Status NeverTravels(absl::string_view command) {
  return MakeError(ErrorReason::kInternal,
                   absl::StrCat("The command ", command, " was to be sent to another replica; "
                                "only the owner of a shard gives it to the shard."));
}

// ---- Values -----------------------------------------------------------------------------------------------------------

int64_t StoreNs(absl::Time at) {
  if (at == absl::InfiniteFuture()) return kFuture;
  if (at == absl::InfinitePast()) return kPast;
  return absl::ToUnixNanos(at);
}

absl::Time FromStoreNs(int64_t ns) {
  if (ns == kFuture) return absl::InfiniteFuture();
  if (ns == kPast) return absl::InfinitePast();
  return absl::FromUnixNanos(ns);
}

absl::StatusOr<absl::Duration> Timeout(int64_t ns, absl::string_view field) {
  if (ns < 0) return Invalid(field, "0 or more");
  return absl::Nanoseconds(ns);
}

absl::StatusOr<MessageSeq> Seq(int64_t seq) {
  if (seq <= 0) return Invalid("seq", "above 0");
  return MessageSeq(seq);
}

void EncodeContent(const core::MessageContent& content, v1::Content& out) {
  const auto& [message_id, body, attributes, group, deduplication_id, source_arn] = content;
  out.set_message_id(message_id);
  out.set_body(body);
  out.set_attributes(attributes);
  out.set_message_group_id(group);
  out.set_deduplication_id(deduplication_id);
  out.set_dead_letter_source_arn(source_arn);
}

core::ContentPtr DecodeContent(v1::Content& content) {
  return std::make_shared<core::MessageContent>(core::MessageContent{
      .message_id = std::move(*content.mutable_message_id()),
      .body = std::move(*content.mutable_body()),
      .attributes = std::move(*content.mutable_attributes()),
      .message_group_id = std::move(*content.mutable_message_group_id()),
      .deduplication_id = std::move(*content.mutable_deduplication_id()),
      .dead_letter_source_arn = std::move(*content.mutable_dead_letter_source_arn())});
}

void EncodeReceipt(const core::Receipt& receipt, v1::Receipt& out) {
  out.set_seq(receipt.seq.value());
  out.set_receive_count(receipt.receive_count);
}

absl::StatusOr<core::Receipt> DecodeReceipt(const v1::Receipt& receipt) {
  WEIR_ASSIGN_OR_RETURN(const MessageSeq seq, Seq(receipt.seq()));
  if (receipt.receive_count() < 0) return Invalid("receive_count", "0 or more");
  return core::Receipt{seq, receipt.receive_count()};
}

void EncodeTransfer(const core::TransferId& transfer, v1::TransferId& out) {
  out.set_source_partition(transfer.source_partition.value());
  out.set_source_seq(transfer.source_seq.value());
}

absl::StatusOr<core::TransferId> DecodeTransfer(const v1::TransferId& transfer) {
  if (transfer.source_partition() <= 0) return Invalid("source_partition", "above 0");
  WEIR_ASSIGN_OR_RETURN(const MessageSeq seq, Seq(transfer.source_seq()));
  return core::TransferId{PartitionId(transfer.source_partition()), seq};
}

// ---- Commands ---------------------------------------------------------------------------------------------------------
// Each is taken apart by a structured binding, so that a field that is added to a command does not compile until it travels.

struct CommandEncoder {
  absl::Time now;
  v1::Command& out;

  absl::Status operator()(const core::Send& command) const {
    const auto& [partition, config, messages] = command;
    out.set_partition(partition.value());
    v1::Send& send = *out.mutable_send();
    for (const core::Send::Message& message : messages) {
      const auto& [content, delay] = message;
      v1::Send::Entry& entry = *send.add_messages();
      EncodeContent(*content, *entry.mutable_content());
      if (delay.has_value()) entry.set_delay_ns(absl::ToInt64Nanoseconds(*delay));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const core::Receive& command) const {
    const auto& [partition, config, max_messages, visibility_timeout, wait_until, consumer,
                 attempt_id, only_repeat] = command;
    out.set_partition(partition.value());
    v1::Receive& receive = *out.mutable_receive();
    receive.set_max_messages(max_messages);
    if (visibility_timeout.has_value()) {
      receive.set_visibility_timeout_ns(absl::ToInt64Nanoseconds(*visibility_timeout));
    }
    if (wait_until > now) receive.set_wait_for_ns(EncodeDeadline(wait_until, now));
    receive.set_consumer(consumer);
    receive.set_attempt_id(attempt_id);
    receive.set_only_repeat(only_repeat);
    return absl::OkStatus();
  }

  absl::Status operator()(const core::Delete& command) const {
    const auto& [partition, receipts] = command;
    out.set_partition(partition.value());
    v1::Delete& erase = *out.mutable_delete_();
    for (const core::Receipt& receipt : receipts) EncodeReceipt(receipt, *erase.add_receipts());
    return absl::OkStatus();
  }

  absl::Status operator()(const core::ChangeVisibility& command) const {
    const auto& [partition, entries] = command;
    out.set_partition(partition.value());
    v1::ChangeVisibility& change = *out.mutable_change_visibility();
    for (const core::ChangeVisibility::Entry& entry : entries) {
      const auto& [receipt, timeout] = entry;
      v1::ChangeVisibility::Entry& encoded = *change.add_entries();
      EncodeReceipt(receipt, *encoded.mutable_receipt());
      encoded.set_visibility_timeout_ns(absl::ToInt64Nanoseconds(timeout));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const core::ReleaseLease& command) const {
    const auto& [partition, receipts] = command;
    out.set_partition(partition.value());
    v1::ReleaseLease& release = *out.mutable_release_lease();
    for (const core::Receipt& receipt : receipts) EncodeReceipt(receipt, *release.add_receipts());
    return absl::OkStatus();
  }

  absl::Status operator()(const core::Purge& command) const {
    const auto& [partition] = command;
    out.set_partition(partition.value());
    out.mutable_purge();
    return absl::OkStatus();
  }

  absl::Status operator()(const core::DropPartition& command) const {
    const auto& [partition] = command;
    out.set_partition(partition.value());
    out.mutable_drop_partition();
    return absl::OkStatus();
  }

  absl::Status operator()(const core::AcceptTransfer& command) const {
    const auto& [partition, config, transfer, sent_at, receive_count, content] = command;
    out.set_partition(partition.value());
    v1::AcceptTransfer& accept = *out.mutable_accept_transfer();
    EncodeTransfer(transfer, *accept.mutable_transfer());
    accept.set_sent_at_store_ns(StoreNs(sent_at));
    accept.set_receive_count(receive_count);
    EncodeContent(*content, *accept.mutable_content());
    return absl::OkStatus();
  }

  absl::Status operator()(const core::FinishTransfer& command) const {
    const auto& [partition, seq] = command;
    out.set_partition(partition.value());
    out.mutable_finish_transfer()->set_seq(seq.value());
    return absl::OkStatus();
  }

  absl::Status operator()(const core::AbortTransfer& command) const {
    const auto& [partition, seq, retry_after] = command;
    out.set_partition(partition.value());
    v1::AbortTransfer& abort = *out.mutable_abort_transfer();
    abort.set_seq(seq.value());
    if (retry_after.has_value()) abort.set_retry_timeout_ns(absl::ToInt64Nanoseconds(*retry_after));
    return absl::OkStatus();
  }

  absl::Status operator()(const core::ForgetTransfer& command) const {
    const auto& [partition, transfer] = command;
    out.set_partition(partition.value());
    EncodeTransfer(transfer, *out.mutable_forget_transfer()->mutable_transfer());
    return absl::OkStatus();
  }

  absl::Status operator()(const core::TakeForRedrive& command) const {
    const auto& [partition, config, limit] = command;
    out.set_partition(partition.value());
    out.mutable_take_for_redrive()->set_limit(limit);
    return absl::OkStatus();
  }

  absl::Status operator()(const core::CancelReceive&) const { return NeverTravels("CancelReceive"); }
  absl::Status operator()(const core::Configure&) const { return NeverTravels("Configure"); }
  absl::Status operator()(const core::Refill&) const { return NeverTravels("Refill"); }
  absl::Status operator()(const core::MoveWithinShard&) const { return NeverTravels("MoveWithinShard"); }
  absl::Status operator()(const core::CopyForward&) const { return NeverTravels("CopyForward"); }
  absl::Status operator()(const core::Tick&) const { return NeverTravels("Tick"); }
};

absl::StatusOr<core::Command> DecodeSend(PartitionId partition, v1::Send& send) {
  core::Send command{.partition = partition, .config = nullptr, .messages = {}};
  if (send.messages().empty()) return Invalid("messages", "at least one message");
  command.messages.reserve(send.messages_size());
  for (v1::Send::Entry& entry : *send.mutable_messages()) {
    core::Send::Message& message = command.messages.emplace_back();
    message.content = DecodeContent(*entry.mutable_content());
    if (entry.has_delay_ns()) {
      WEIR_ASSIGN_OR_RETURN(message.delay, Timeout(entry.delay_ns(), "delay_ns"));
    }
  }
  return command;
}

absl::StatusOr<core::Command> DecodeReceive(PartitionId partition, v1::Receive& receive,
                                            absl::Time now) {
  core::Receive command{.partition = partition, .config = nullptr};
  command.max_messages = receive.max_messages();
  if (command.max_messages < 1) return Invalid("max_messages", "at least 1");
  if (receive.has_visibility_timeout_ns()) {
    WEIR_ASSIGN_OR_RETURN(command.visibility_timeout,
                          Timeout(receive.visibility_timeout_ns(), "visibility_timeout_ns"));
  }
  if (receive.has_wait_for_ns()) command.wait_until = DecodeDeadline(receive.wait_for_ns(), now);
  command.consumer = std::move(*receive.mutable_consumer());
  command.attempt_id = std::move(*receive.mutable_attempt_id());
  command.only_repeat = receive.only_repeat();
  return command;
}

// Delete and ReleaseLease.
template <typename Command, typename Wire>
absl::StatusOr<core::Command> DecodeReceipts(PartitionId partition, const Wire& wire) {
  Command command{.partition = partition, .receipts = {}};
  for (const v1::Receipt& receipt : wire.receipts()) {
    WEIR_ASSIGN_OR_RETURN(const core::Receipt decoded, DecodeReceipt(receipt));
    command.receipts.push_back(decoded);
  }
  return command;
}

absl::StatusOr<core::Command> DecodeChangeVisibility(PartitionId partition,
                                                     const v1::ChangeVisibility& change) {
  core::ChangeVisibility command{.partition = partition, .entries = {}};
  for (const v1::ChangeVisibility::Entry& entry : change.entries()) {
    WEIR_ASSIGN_OR_RETURN(const core::Receipt receipt, DecodeReceipt(entry.receipt()));
    WEIR_ASSIGN_OR_RETURN(const absl::Duration timeout,
                          Timeout(entry.visibility_timeout_ns(), "visibility_timeout_ns"));
    command.entries.push_back({receipt, timeout});
  }
  return command;
}

absl::StatusOr<core::Command> DecodeAcceptTransfer(PartitionId partition,
                                                   v1::AcceptTransfer& accept) {
  WEIR_ASSIGN_OR_RETURN(const core::TransferId transfer, DecodeTransfer(accept.transfer()));
  if (accept.receive_count() < 0) return Invalid("receive_count", "0 or more");
  return core::AcceptTransfer{.partition = partition,
                              .config = nullptr,
                              .transfer = transfer,
                              .sent_at = FromStoreNs(accept.sent_at_store_ns()),
                              .receive_count = accept.receive_count(),
                              .content = DecodeContent(*accept.mutable_content())};
}

absl::StatusOr<core::Command> DecodeAbortTransfer(PartitionId partition,
                                                  const v1::AbortTransfer& abort) {
  core::AbortTransfer command{.partition = partition, .seq = {}};
  WEIR_ASSIGN_OR_RETURN(command.seq, Seq(abort.seq()));
  if (abort.has_retry_timeout_ns()) {
    WEIR_ASSIGN_OR_RETURN(command.retry_after,
                          Timeout(abort.retry_timeout_ns(), "retry_timeout_ns"));
  }
  return command;
}

// ---- Replies ----------------------------------------------------------------------------------------------------------

v1::DeleteOutcome Encode(core::DeleteOutcome outcome) {
  switch (outcome) {
    case core::DeleteOutcome::kDeleted:
      return v1::DELETE_OUTCOME_DELETED;
    case core::DeleteOutcome::kAlreadyGone:
      return v1::DELETE_OUTCOME_ALREADY_GONE;
    case core::DeleteOutcome::kStaleReceipt:
      return v1::DELETE_OUTCOME_STALE_RECEIPT;
    case core::DeleteOutcome::kReceiptExpired:
      return v1::DELETE_OUTCOME_RECEIPT_EXPIRED;
  }
  return v1::DELETE_OUTCOME_UNSPECIFIED;
}

absl::StatusOr<core::DeleteOutcome> Decode(v1::DeleteOutcome outcome) {
  switch (outcome) {
    case v1::DELETE_OUTCOME_DELETED:
      return core::DeleteOutcome::kDeleted;
    case v1::DELETE_OUTCOME_ALREADY_GONE:
      return core::DeleteOutcome::kAlreadyGone;
    case v1::DELETE_OUTCOME_STALE_RECEIPT:
      return core::DeleteOutcome::kStaleReceipt;
    case v1::DELETE_OUTCOME_RECEIPT_EXPIRED:
      return core::DeleteOutcome::kReceiptExpired;
    default:
      return Invalid("outcomes", "outcomes of a delete");
  }
}

v1::ChangeVisibilityOutcome Encode(core::ChangeVisibilityOutcome outcome) {
  switch (outcome) {
    case core::ChangeVisibilityOutcome::kChanged:
      return v1::CHANGE_VISIBILITY_OUTCOME_CHANGED;
    case core::ChangeVisibilityOutcome::kMessageGone:
      return v1::CHANGE_VISIBILITY_OUTCOME_MESSAGE_GONE;
    case core::ChangeVisibilityOutcome::kBeyondLimit:
      return v1::CHANGE_VISIBILITY_OUTCOME_BEYOND_LIMIT;
    case core::ChangeVisibilityOutcome::kReceiptExpired:
      return v1::CHANGE_VISIBILITY_OUTCOME_RECEIPT_EXPIRED;
  }
  return v1::CHANGE_VISIBILITY_OUTCOME_UNSPECIFIED;
}

absl::StatusOr<core::ChangeVisibilityOutcome> Decode(v1::ChangeVisibilityOutcome outcome) {
  switch (outcome) {
    case v1::CHANGE_VISIBILITY_OUTCOME_CHANGED:
      return core::ChangeVisibilityOutcome::kChanged;
    case v1::CHANGE_VISIBILITY_OUTCOME_MESSAGE_GONE:
      return core::ChangeVisibilityOutcome::kMessageGone;
    case v1::CHANGE_VISIBILITY_OUTCOME_BEYOND_LIMIT:
      return core::ChangeVisibilityOutcome::kBeyondLimit;
    case v1::CHANGE_VISIBILITY_OUTCOME_RECEIPT_EXPIRED:
      return core::ChangeVisibilityOutcome::kReceiptExpired;
    default:
      return Invalid("outcomes", "outcomes of a change of visibility");
  }
}

struct ReplyEncoder {
  v1::Reply& out;

  void operator()(const absl::Status& status) const { EncodeStatus(status, *out.mutable_status()); }
  void operator()(const core::SendReply& reply) const {
    const auto& [seqs, duplicate_of] = reply;
    v1::SendReply& send = *out.mutable_send();
    for (const MessageSeq seq : seqs) send.add_seqs(seq.value());
    for (const std::string& message_id : duplicate_of) send.add_duplicate_of(message_id);
  }
  void operator()(const core::ReceiveReply& reply) const {
    const auto& [partition, messages] = reply;
    v1::ReceiveReply& receive = *out.mutable_receive();
    receive.set_partition(partition.value());
    for (const core::ReceivedMessage& message : messages) {
      const auto& [seq, receive_count, sent_at, first_received_at, visible_at, content] = message;
      v1::ReceiveReply::Entry& entry = *receive.add_messages();
      entry.set_seq(seq.value());
      entry.set_receive_count(receive_count);
      entry.set_sent_at_store_ns(StoreNs(sent_at));
      entry.set_first_received_at_store_ns(StoreNs(first_received_at));
      entry.set_visible_at_store_ns(StoreNs(visible_at));
      EncodeContent(*content, *entry.mutable_content());
    }
  }
  void operator()(const core::DeleteReply& reply) const {
    const auto& [outcomes] = reply;
    v1::DeleteReply& erase = *out.mutable_delete_();
    for (const core::DeleteOutcome outcome : outcomes) erase.add_outcomes(Encode(outcome));
  }
  void operator()(const core::ChangeVisibilityReply& reply) const {
    const auto& [outcomes] = reply;
    v1::ChangeVisibilityReply& change = *out.mutable_change_visibility();
    for (const core::ChangeVisibilityOutcome outcome : outcomes) change.add_outcomes(Encode(outcome));
  }
  void operator()(const core::PurgeReply& reply) const {
    const auto& [removed] = reply;
    out.mutable_purge()->set_removed(removed);
  }
  void operator()(const core::TransferReply&) const { out.mutable_transfer(); }
  void operator()(const core::TakeReply& reply) const {
    const auto& [taken] = reply;
    out.mutable_take()->set_taken(taken);
  }
};

absl::StatusOr<core::Reply> DecodeSendReply(const v1::SendReply& send) {
  core::SendReply reply;
  if (send.duplicate_of_size() != 0 && send.duplicate_of_size() != send.seqs_size()) {
    return Invalid("duplicate_of", "empty, or one for each seq");
  }
  reply.duplicate_of.assign(send.duplicate_of().begin(), send.duplicate_of().end());
  for (const int64_t seq : send.seqs()) {
    WEIR_ASSIGN_OR_RETURN(const MessageSeq decoded, Seq(seq));
    reply.seqs.push_back(decoded);
  }
  return reply;
}

absl::StatusOr<core::Reply> DecodeReceiveReply(v1::ReceiveReply& receive) {
  core::ReceiveReply reply{.partition = PartitionId(receive.partition()), .messages = {}};
  reply.messages.reserve(receive.messages_size());
  for (v1::ReceiveReply::Entry& entry : *receive.mutable_messages()) {
    core::ReceivedMessage& message = reply.messages.emplace_back();
    WEIR_ASSIGN_OR_RETURN(message.seq, Seq(entry.seq()));
    message.receive_count = entry.receive_count();
    message.sent_at = FromStoreNs(entry.sent_at_store_ns());
    message.first_received_at = FromStoreNs(entry.first_received_at_store_ns());
    message.visible_at = FromStoreNs(entry.visible_at_store_ns());
    message.content = DecodeContent(*entry.mutable_content());
  }
  return reply;
}

template <typename Reply, typename Outcomes, typename Wire>
absl::StatusOr<core::Reply> DecodeOutcomes(const Outcomes& outcomes) {
  Reply reply;
  for (const int outcome : outcomes) {
    WEIR_ASSIGN_OR_RETURN(const auto decoded, Decode(static_cast<Wire>(outcome)));
    reply.outcomes.push_back(decoded);
  }
  return reply;
}

// ---- Queries ----------------------------------------------------------------------------------------------------------

v1::PeekedState Encode(engine::PeekedState state) {
  switch (state) {
    case engine::PeekedState::kReady:
      return v1::PEEKED_STATE_READY;
    case engine::PeekedState::kInFlight:
      return v1::PEEKED_STATE_IN_FLIGHT;
    case engine::PeekedState::kDelayed:
      return v1::PEEKED_STATE_DELAYED;
  }
  return v1::PEEKED_STATE_UNSPECIFIED;
}

absl::StatusOr<engine::PeekedState> Decode(v1::PeekedState state) {
  switch (state) {
    case v1::PEEKED_STATE_READY:
      return engine::PeekedState::kReady;
    case v1::PEEKED_STATE_IN_FLIGHT:
      return engine::PeekedState::kInFlight;
    case v1::PEEKED_STATE_DELAYED:
      return engine::PeekedState::kDelayed;
    default:
      return Invalid("state", "a state of a message");
  }
}

struct QueryEncoder {
  v1::Query& out;

  void operator()(const engine::StatsQuery& query) const {
    const auto& [partitions] = query;
    v1::StatsQuery& stats = *out.mutable_stats();
    for (const PartitionId partition : partitions) stats.add_partitions(partition.value());
  }
  void operator()(const engine::PeekQuery& query) const {
    const auto& [partition, after, limit, ready, in_flight, delayed, bytes_max] = query;
    v1::PeekQuery& peek = *out.mutable_peek();
    peek.set_partition(partition.value());
    peek.set_after(after.value());
    peek.set_limit(limit);
    peek.set_ready(ready);
    peek.set_in_flight(in_flight);
    peek.set_delayed(delayed);
    peek.set_bytes_max(static_cast<int64_t>(bytes_max));
  }
  void operator()(const engine::GroupsQuery& query) const {
    const auto& [partition, after, limit, blocked_only] = query;
    v1::GroupsQuery& groups = *out.mutable_groups();
    groups.set_partition(partition.value());
    groups.set_after(after);
    groups.set_limit(limit);
    groups.set_blocked_only(blocked_only);
  }
  void operator()(const engine::LoadQuery&) const { out.mutable_load(); }
};

void EncodeBlocker(const core::GroupStatus::Blocker& blocker, const std::string& message_id,
                   v1::GroupsAnswer::Blocker& out) {
  const auto& [seq, since, until, receive_count, consumer] = blocker;
  out.set_seq(seq.value());
  if (since.has_value()) out.set_since_store_ns(StoreNs(*since));
  out.set_until_store_ns(StoreNs(until));
  out.set_receive_count(receive_count);
  out.set_consumer(consumer);
  out.set_message_id(message_id);
}

struct AnswerEncoder {
  v1::Answer& out;

  void operator()(const engine::StatsAnswer& answer) const {
    const auto& [stats] = answer;
    v1::StatsAnswer& encoded = *out.mutable_stats();
    for (const core::PartitionStats& partition : stats) {
      const auto& [ready, in_flight, delayed, oldest_sent_at, waiting_receives, blocked, groups, sent,
                   received, deleted, dead_lettered, expired] = partition;
      v1::StatsAnswer::Entry& entry = *encoded.add_stats();
      entry.set_ready(ready);
      entry.set_in_flight(in_flight);
      entry.set_delayed(delayed);
      if (oldest_sent_at.has_value()) entry.set_oldest_sent_at_store_ns(StoreNs(*oldest_sent_at));
      entry.set_waiting_receives(waiting_receives);
      entry.set_sent(sent);
      entry.set_received(received);
      entry.set_deleted(deleted);
      entry.set_dead_lettered(dead_lettered);
      entry.set_expired(expired);
      entry.set_blocked(blocked);
      entry.set_groups(groups);
    }
  }
  void operator()(const engine::PeekAnswer& answer) const {
    const auto& [messages, looked_to] = answer;
    v1::PeekAnswer& encoded = *out.mutable_peek();
    if (looked_to.has_value()) encoded.set_looked_to(looked_to->value());
    for (const engine::PeekedMessage& message : messages) {
      const auto& [seq, state, sent_at, visible_at, first_received_at, receive_count, content] =
          message;
      v1::PeekAnswer::Entry& entry = *encoded.add_messages();
      entry.set_seq(seq.value());
      entry.set_state(Encode(state));
      entry.set_sent_at_store_ns(StoreNs(sent_at));
      entry.set_visible_at_store_ns(StoreNs(visible_at));
      if (first_received_at.has_value()) {
        entry.set_first_received_at_store_ns(StoreNs(*first_received_at));
      }
      entry.set_receive_count(receive_count);
      EncodeContent(*content, *entry.mutable_content());
    }
  }
  void operator()(const engine::GroupsAnswer& answer) const {
    const auto& [groups, looked_to] = answer;
    v1::GroupsAnswer& encoded = *out.mutable_groups();
    if (looked_to.has_value()) encoded.set_looked_to(*looked_to);
    for (const engine::GroupsAnswer::Group& group : groups) {
      const auto& [name, ready, in_flight, delayed, blocker, noisy] = group.status;
      v1::GroupsAnswer::Entry& entry = *encoded.add_groups();
      entry.set_group(name);
      entry.set_ready(ready);
      entry.set_in_flight(in_flight);
      entry.set_delayed(delayed);
      if (blocker.has_value()) EncodeBlocker(*blocker, group.blocker_id, *entry.mutable_blocker());
      entry.set_noisy(noisy);
    }
  }
  void operator()(const engine::LoadAnswer& answer) const {
    const auto& [serving, waiting_commands, oldest_wait, segments, rows] = answer;
    v1::LoadAnswer& load = *out.mutable_load();
    load.set_serving(serving);
    load.set_waiting_commands(waiting_commands);
    if (oldest_wait.has_value()) load.set_oldest_wait_ns(absl::ToInt64Nanoseconds(*oldest_wait));
    load.set_segments(segments);
    load.set_rows(rows);
  }
};

engine::StatsAnswer DecodeStatsAnswer(const v1::StatsAnswer& stats) {
  engine::StatsAnswer answer;
  answer.stats.reserve(stats.stats_size());
  for (const v1::StatsAnswer::Entry& entry : stats.stats()) {
    core::PartitionStats& partition = answer.stats.emplace_back();
    partition.ready = entry.ready();
    partition.in_flight = entry.in_flight();
    partition.delayed = entry.delayed();
    if (entry.has_oldest_sent_at_store_ns()) {
      partition.oldest_sent_at = FromStoreNs(entry.oldest_sent_at_store_ns());
    }
    partition.waiting_receives = entry.waiting_receives();
    partition.sent = entry.sent();
    partition.received = entry.received();
    partition.deleted = entry.deleted();
    partition.dead_lettered = entry.dead_lettered();
    partition.expired = entry.expired();
    partition.blocked = entry.blocked();
    partition.groups = entry.groups();
  }
  return answer;
}

absl::StatusOr<engine::ShardAnswer> DecodePeekAnswer(v1::PeekAnswer& peek) {
  engine::PeekAnswer answer;
  if (peek.has_looked_to()) answer.looked_to = MessageSeq(peek.looked_to());
  answer.messages.reserve(peek.messages_size());
  for (v1::PeekAnswer::Entry& entry : *peek.mutable_messages()) {
    engine::PeekedMessage& message = answer.messages.emplace_back();
    WEIR_ASSIGN_OR_RETURN(message.seq, Seq(entry.seq()));
    WEIR_ASSIGN_OR_RETURN(message.state, Decode(entry.state()));
    message.sent_at = FromStoreNs(entry.sent_at_store_ns());
    message.visible_at = FromStoreNs(entry.visible_at_store_ns());
    if (entry.has_first_received_at_store_ns()) {
      message.first_received_at = FromStoreNs(entry.first_received_at_store_ns());
    }
    message.receive_count = entry.receive_count();
    message.content = DecodeContent(*entry.mutable_content());
  }
  return answer;
}

absl::StatusOr<engine::ShardAnswer> DecodeGroupsAnswer(v1::GroupsAnswer& groups) {
  engine::GroupsAnswer answer;
  if (groups.has_looked_to()) answer.looked_to = std::move(*groups.mutable_looked_to());
  answer.groups.reserve(groups.groups_size());
  for (v1::GroupsAnswer::Entry& entry : *groups.mutable_groups()) {
    engine::GroupsAnswer::Group& group = answer.groups.emplace_back();
    group.status.group = std::move(*entry.mutable_group());
    group.status.ready = entry.ready();
    group.status.in_flight = entry.in_flight();
    group.status.delayed = entry.delayed();
    group.status.noisy = entry.noisy();
    if (!entry.has_blocker()) continue;
    v1::GroupsAnswer::Blocker& blocker = *entry.mutable_blocker();
    core::GroupStatus::Blocker& decoded = group.status.blocker.emplace();
    WEIR_ASSIGN_OR_RETURN(decoded.seq, Seq(blocker.seq()));
    if (blocker.has_since_store_ns()) decoded.since = FromStoreNs(blocker.since_store_ns());
    decoded.until = FromStoreNs(blocker.until_store_ns());
    decoded.receive_count = blocker.receive_count();
    decoded.consumer = std::move(*blocker.mutable_consumer());
    group.blocker_id = std::move(*blocker.mutable_message_id());
  }
  return answer;
}

engine::LoadAnswer DecodeLoadAnswer(const v1::LoadAnswer& load) {
  engine::LoadAnswer answer;
  answer.serving = load.serving();
  answer.waiting_commands = load.waiting_commands();
  if (load.has_oldest_wait_ns()) answer.oldest_wait = absl::Nanoseconds(load.oldest_wait_ns());
  answer.segments = load.segments();
  answer.rows = load.rows();
  return answer;
}

}  // namespace

absl::Status EncodeCommand(const core::Command& command, absl::Time now, v1::Command& out) {
  return std::visit(CommandEncoder{now, out}, command);
}

absl::StatusOr<core::Command> DecodeCommand(v1::Command&& command, absl::Time now) {
  if (command.partition() <= 0) return Invalid("partition", "above 0");
  const PartitionId partition(command.partition());
  switch (command.command_case()) {
    case v1::Command::kSend:
      return DecodeSend(partition, *command.mutable_send());
    case v1::Command::kReceive:
      return DecodeReceive(partition, *command.mutable_receive(), now);
    case v1::Command::kDelete:
      return DecodeReceipts<core::Delete>(partition, command.delete_());
    case v1::Command::kChangeVisibility:
      return DecodeChangeVisibility(partition, command.change_visibility());
    case v1::Command::kReleaseLease:
      return DecodeReceipts<core::ReleaseLease>(partition, command.release_lease());
    case v1::Command::kPurge:
      return core::Purge{partition};
    case v1::Command::kDropPartition:
      return core::DropPartition{partition};
    case v1::Command::kAcceptTransfer:
      return DecodeAcceptTransfer(partition, *command.mutable_accept_transfer());
    case v1::Command::kFinishTransfer: {
      WEIR_ASSIGN_OR_RETURN(const MessageSeq seq, Seq(command.finish_transfer().seq()));
      return core::FinishTransfer{partition, seq};
    }
    case v1::Command::kAbortTransfer:
      return DecodeAbortTransfer(partition, command.abort_transfer());
    case v1::Command::kForgetTransfer: {
      WEIR_ASSIGN_OR_RETURN(const core::TransferId transfer,
                            DecodeTransfer(command.forget_transfer().transfer()));
      return core::ForgetTransfer{partition, transfer};
    }
    case v1::Command::kTakeForRedrive:
      if (command.take_for_redrive().limit() < 1) return Invalid("limit", "at least 1");
      return core::TakeForRedrive{partition, nullptr, command.take_for_redrive().limit()};
    case v1::Command::COMMAND_NOT_SET:
      break;
  }
  return Invalid("command", "a command that this version knows");
}

void EncodeReply(const core::Reply& reply, v1::Reply& out) { std::visit(ReplyEncoder{out}, reply); }

absl::StatusOr<core::Reply> DecodeReply(v1::Reply&& reply) {
  switch (reply.reply_case()) {
    case v1::Reply::kStatus:
      return core::Reply(DecodeStatus(reply.status()));
    case v1::Reply::kSend:
      return DecodeSendReply(reply.send());
    case v1::Reply::kReceive:
      return DecodeReceiveReply(*reply.mutable_receive());
    case v1::Reply::kDelete:
      return DecodeOutcomes<core::DeleteReply, decltype(reply.delete_().outcomes()), v1::DeleteOutcome>(
          reply.delete_().outcomes());
    case v1::Reply::kChangeVisibility:
      return DecodeOutcomes<core::ChangeVisibilityReply,
                            decltype(reply.change_visibility().outcomes()),
                            v1::ChangeVisibilityOutcome>(reply.change_visibility().outcomes());
    case v1::Reply::kPurge:
      return core::PurgeReply{reply.purge().removed()};
    case v1::Reply::kTransfer:
      return core::TransferReply{};
    case v1::Reply::kTake:
      return core::TakeReply{reply.take().taken()};
    case v1::Reply::REPLY_NOT_SET:
      break;
  }
  return Invalid("reply", "a reply that this version knows");
}

void EncodeQuery(const engine::ShardQuery& query, v1::Query& out) {
  std::visit(QueryEncoder{out}, query);
}

absl::StatusOr<engine::ShardQuery> DecodeQuery(const v1::Query& query) {
  switch (query.query_case()) {
    case v1::Query::kStats: {
      engine::StatsQuery stats;
      for (const int64_t partition : query.stats().partitions()) {
        stats.partitions.push_back(PartitionId(partition));
      }
      return stats;
    }
    case v1::Query::kPeek: {
      const v1::PeekQuery& peek = query.peek();
      if (peek.limit() < 1) return Invalid("limit", "at least 1");
      if (peek.bytes_max() < 0) return Invalid("bytes_max", "0 or more");
      if (peek.after() < 0) return Invalid("after", "0 or more");
      return engine::PeekQuery{.partition = PartitionId(peek.partition()),
                               .after = MessageSeq(peek.after()),
                               .limit = peek.limit(),
                               .ready = peek.ready(),
                               .in_flight = peek.in_flight(),
                               .delayed = peek.delayed(),
                               .bytes_max = static_cast<size_t>(peek.bytes_max())};
    }
    case v1::Query::kGroups:
      if (query.groups().limit() < 1) return Invalid("limit", "at least 1");
      return engine::GroupsQuery{.partition = PartitionId(query.groups().partition()),
                                 .after = query.groups().after(),
                                 .limit = query.groups().limit(),
                                 .blocked_only = query.groups().blocked_only()};
    case v1::Query::kLoad:
      return engine::LoadQuery{};
    case v1::Query::QUERY_NOT_SET:
      break;
  }
  return Invalid("query", "a query that this version knows");
}

void EncodeAnswer(const engine::ShardAnswer& answer, v1::Answer& out) {
  std::visit(AnswerEncoder{out}, answer);
}

absl::StatusOr<engine::ShardAnswer> DecodeAnswer(v1::Answer&& answer) {
  switch (answer.answer_case()) {
    case v1::Answer::kStats:
      return DecodeStatsAnswer(answer.stats());
    case v1::Answer::kPeek:
      return DecodePeekAnswer(*answer.mutable_peek());
    case v1::Answer::kGroups:
      return DecodeGroupsAnswer(*answer.mutable_groups());
    case v1::Answer::kLoad:
      return DecodeLoadAnswer(answer.load());
    case v1::Answer::ANSWER_NOT_SET:
      break;
  }
  return Invalid("answer", "an answer that this version knows");
}

void EncodeStatus(const absl::Status& status, v1::Status& out) {
  out.set_code(static_cast<int32_t>(status.code()));
  out.set_message(std::string(status.message()));
  const ErrorReason reason = ReasonOf(status);
  if (reason == ErrorReason::kUnspecified) return;
  out.set_reason(std::string(ErrorInfoOf(reason).name));
  for (auto& [key, value] : MetadataOf(status)) (*out.mutable_metadata())[key] = value;
}

absl::Status DecodeStatus(const v1::Status& status) {
  const ErrorReason reason = ErrorReasonFromName(status.reason());
  if (reason != ErrorReason::kUnspecified) {
    return MakeError(reason, status.message(),
                     ErrorMetadata(status.metadata().begin(), status.metadata().end()));
  }
  if (status.code() < 1 || status.code() > 16) {
    return MakeError(ErrorReason::kInternal,
                     absl::StrCat("Another replica answered with an error of the unknown code ",
                                  status.code(), ": ", status.message()));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.code()), status.message());
}

int64_t EncodeDeadline(absl::Time deadline, absl::Time now) {
  return std::max<int64_t>(0, absl::ToInt64Nanoseconds(deadline - now));
}

absl::Time DecodeDeadline(int64_t for_ns, absl::Time now) {
  if (for_ns == kFuture) return absl::InfiniteFuture();
  return now + absl::Nanoseconds(std::max<int64_t>(0, for_ns));
}

}  // namespace weir::queue::peer
