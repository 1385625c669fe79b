#include "services/queue/engine/shard_engine.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"

namespace weir::queue::engine {
namespace {

using core::Reply;
using core::RequestId;

// What a command without contents costs in the mailbox, roughly.
constexpr size_t kCommandBytes = 128;

// One read of contents: with contents of the largest size, 16 MiB; more keys only while what comes is small.
constexpr size_t kKeysReadMin = 16;
constexpr size_t kKeysReadMax = 256;
constexpr size_t kSmallReadBytes = 2 << 20;
// A receive of more messages than a call may ask for is a stream's. It gets no more than about so many bytes from the store at once.
constexpr size_t kLongReplyMessages = 10;
constexpr size_t kLongReplyBytes = 8 << 20;

// A slice that is copied forward makes a read of the backlog void that waits to be decided, so it lets such reads pass first; but
// not for ever.
constexpr int kSlicesPutOffMax = 16;

// Groups of the shard's own commands that a hand-over still waits for.
constexpr int kRoundsLeavingMax = 3;

size_t CommandBytes(const core::Command& command) {
  size_t bytes = kCommandBytes;
  if (const auto* send = std::get_if<core::Send>(&command)) {
    for (const auto& message : send->messages) bytes += ContentBytes(*message.content);
  } else if (const auto* accept = std::get_if<core::AcceptTransfer>(&command)) {
    bytes += ContentBytes(*accept->content);
  } else if (const auto* move = std::get_if<core::MoveWithinShard>(&command)) {
    bytes += ContentBytes(*move->destination.content);
  }
  return bytes;
}

absl::string_view OutcomeName(store::CommitOutcome outcome) {
  switch (outcome) {
    case store::CommitOutcome::kCommitted:
      return "committed";
    case store::CommitOutcome::kFenced:
      return "fenced";
    case store::CommitOutcome::kRejected:
      return "rejected";
    case store::CommitOutcome::kInDoubt:
      return "in doubt";
  }
  return "unknown";
}

// What the requests that were pending are told.
absl::Status LossError(store::CommitOutcome outcome) {
  switch (outcome) {
    case store::CommitOutcome::kFenced:
      return MakeError(ErrorReason::kShardNotOwned,
                       "Another replica has taken over this queue's shard; try again.");
    case store::CommitOutcome::kInDoubt:
      return MakeError(ErrorReason::kOutcomeUnknown,
                       "The connection to the store broke around the commit, so it is unknown "
                       "whether the change was made.");
    case store::CommitOutcome::kCommitted:
    case store::CommitOutcome::kRejected:
      break;
  }
  return MakeError(ErrorReason::kStoreUnavailable,
                   "The store cannot be reached; nothing was changed. Try again.");
}

// What new requests are told after an attempt to take the shard failed so.
absl::Status NotTakenError(core::ShardId shard, const absl::Status& attempt) {
  const ErrorReason reason = ReasonOf(attempt) == ErrorReason::kShardNotOwned
                                 ? ErrorReason::kShardNotOwned
                                 : ErrorReason::kStoreUnavailable;
  return MakeError(reason, absl::StrCat("Shard ", shard.value(), " cannot be served now; try again. ",
                                        attempt.message()));
}

// Of those who ask while the shard is handed over.
absl::Status HandedOverError() {
  return MakeError(ErrorReason::kShardNotOwned,
                   "This queue's shard is being handed over to another replica; try again.");
}

// These may be about messages that only a later owner knows.
bool SpeaksOfReceipts(const core::Reply& reply) {
  return std::holds_alternative<core::DeleteReply>(reply) ||
         std::holds_alternative<core::ChangeVisibilityReply>(reply) ||
         std::holds_alternative<core::PurgeReply>(reply);
}

}  // namespace

ShardEngine::ShardEngine(core::ShardId shard, std::string replica, ShardOptions options,
                         store::LeaseStore& leases, store::ShardLogFactory& logs, ShardHost& host,
                         const Clock& clock, EngineMetrics& metrics)
    : shard_(shard),
      replica_(std::move(replica)),
      options_(options),
      leases_(leases),
      logs_(logs),
      host_(host),
      clock_(clock),
      metrics_(metrics),
      mailbox_(options.mailbox_items_max, options.mailbox_bytes_max),
      cache_(options.content_cache_bytes) {}

ShardEngine::~ShardEngine() { Stop(); }

void ShardEngine::Start() {
  MutexLock lock(&thread_mu_);
  if (!IsIdle() || stopping_.load()) return;
  if (thread_.joinable()) thread_.join();
  leaving_.store(false);
  idle_.store(false);
  {
    // Why it was not taken last time holds until it is known how it goes now.
    MutexLock phase_lock(&phase_mu_);
    phase_ = Phase::kTaking;
  }
  thread_ = std::thread([this] { Run(); });
}

void ShardEngine::HandOver() {
  leaving_.store(true);
  mailbox_.Wake();
}

void ShardEngine::TakenOver(core::Epoch epoch) {
  epoch_elsewhere_.store(epoch.value());
  mailbox_.Wake();
}

bool ShardEngine::IsTakenOver() const { return epoch_elsewhere_.load() > epoch_.load(); }

void ShardEngine::Stop() {
  stopping_.store(true);
  mailbox_.Wake();
  MutexLock lock(&thread_mu_);
  if (thread_.joinable()) thread_.join();
}

bool ShardEngine::AwaitServing(absl::Time deadline) {
  return served_.WaitForNotificationWithTimeout(deadline - absl::Now());
}

absl::StatusOr<RequestId> ShardEngine::Submit(core::Command command, ReplySink sink) {
  return SubmitVia(&Mailbox::Put, std::move(command), std::move(sink));
}

absl::StatusOr<RequestId> ShardEngine::SubmitInternal(core::Command command, ReplySink sink) {
  return SubmitVia(&Mailbox::PutInternal, std::move(command), std::move(sink));
}

absl::StatusOr<RequestId> ShardEngine::SubmitVia(Mailbox::PutResult (Mailbox::*put)(Mail&),
                                                 core::Command command, ReplySink sink) {
  Mail mail = Envelop(std::move(command), std::move(sink));
  const RequestId request = mail.request;
  switch ((mailbox_.*put)(mail)) {
    case Mailbox::PutResult::kOk:
      return request;
    case Mailbox::PutResult::kFull:
      return FullError();
    case Mailbox::PutResult::kClosed:
      break;
  }
  return NotServingError();
}

Mail ShardEngine::Envelop(core::Command command, ReplySink sink) {
  const RequestId request(next_request_.fetch_add(1, std::memory_order_relaxed));
  const size_t bytes = CommandBytes(command);
  return {request, std::move(command), std::move(sink), bytes};
}

absl::Status ShardEngine::FullError() const {
  return MakeError(ErrorReason::kOverloaded,
                   absl::StrCat("Shard ", shard_.value(), " has ", options_.mailbox_items_max,
                                " requests or ", options_.mailbox_bytes_max,
                                " bytes waiting; slow down and try again."));
}

absl::Status ShardEngine::NotServingError() const {
  if (stopping_.load()) {
    return MakeError(ErrorReason::kShuttingDown, "This server is stopping; try again.");
  }
  MutexLock lock(&phase_mu_);
  if (phase_ == Phase::kTaking && !why_not_.ok()) return why_not_;
  if (phase_ == Phase::kIdle) {
    if (!why_not_.ok()) return why_not_;
    return MakeError(ErrorReason::kShardNotOwned,
                     absl::StrCat("Shard ", shard_.value(), " is not served by this replica; try again."));
  }
  return MakeError(ErrorReason::kShardRecovering,
                   absl::StrCat("Shard ", shard_.value(), " is being read from the store; try again."));
}

bool ShardEngine::HoldsShard() const {
  MutexLock lock(&phase_mu_);
  return phase_ == Phase::kReading || phase_ == Phase::kServing;
}

bool ShardEngine::IsServing() const {
  MutexLock lock(&phase_mu_);
  return phase_ == Phase::kServing;
}

LoadAnswer ShardEngine::Load() {
  const Mailbox::Waiting waiting = mailbox_.Look();
  LoadAnswer load{.serving = IsServing(),
                  .waiting_commands = static_cast<int64_t>(waiting.items),
                  .segments = stored_segments_.load(),
                  .rows = stored_rows_.load()};
  if (waiting.items > 0) load.oldest_wait = waiting.oldest;
  return load;
}

void ShardEngine::SetPhase(Phase phase, absl::Status why_not) {
  MutexLock lock(&phase_mu_);
  phase_ = phase;
  why_not_ = std::move(why_not);
}

bool ShardEngine::Cancel(core::PartitionId partition, RequestId request) {
  return SubmitInternal(core::CancelReceive{partition, request}, nullptr).ok();
}

void ShardEngine::Run() {
  absl::BitGen gen;
  absl::Duration backoff = options_.retry_min;
  while (!stopping_.load()) {
    const absl::Duration start = clock_.Monotonic();
    const absl::Status acquired = leaving_.load() ? HandedOverError() : Acquire();
    if (!acquired.ok()) {
      if (stopping_.load()) break;
      // Another replica lives and has it, or is to have it.
      if (leaving_.load() || ReasonOf(acquired) == ErrorReason::kShardNotOwned) {
        return LetGo(NotTakenError(shard_, acquired));
      }
      SetPhase(Phase::kTaking, NotTakenError(shard_, acquired));
      observe::Log(observe::Level::kWarning, "shard not acquired",
                   {{"shard", absl::StrCat(shard_.value())}, {"error", acquired.ToString()}});
      FailPending(NotServingError());
      host_.ShardRefuses(shard_, NotServingError());
      mailbox_.Take(backoff * absl::Uniform(gen, 0.5, 1.0), 1, 1);
      backoff = std::min(backoff * 2, options_.retry_max);
      continue;
    }
    backoff = options_.retry_min;
    metrics_.ShardAcquired(clock_.Monotonic() - start);
    mailbox_.Open();
    ConfigurePartitions();
    SetPhase(Phase::kServing);
    if (!served_.HasBeenNotified()) served_.Notify();
    host_.ShardServes(shard_);
    const ServeEnd end = Serve();
    if (end == ServeEnd::kStopped) break;
    if (end == ServeEnd::kLetGo) {
      return LetGo(IsTakenOver() ? LossError(store::CommitOutcome::kFenced) : HandedOverError());
    }
    if (lost_by_ == store::CommitOutcome::kFenced) {
      metrics_.ShardLost();
      return LetGo(LossError(store::CommitOutcome::kFenced));
    }
    Lose();
  }
  SetPhase(Phase::kStopped);
  FailPending(MakeError(ErrorReason::kShuttingDown, "This server is stopping; try again."));
}

absl::Status ShardEngine::Acquire() {
  const int64_t term = host_.LeaseTerm();
  const absl::StatusOr<core::Epoch> taken =
      leases_.AcquireShard(shard_, replica_, absl::Now() + options_.acquire_timeout);
  if (ReasonOf(taken.status()) == ErrorReason::kShardNotOwned) named_ = false;
  WEIR_ASSIGN_OR_RETURN(const core::Epoch epoch, taken);
  epoch_.store(epoch.value());
  named_ = true;
  SetPhase(Phase::kReading);
  // Who wrote into this shard before knew its queues from the store, and nobody else writes from here on: so a partition whose
  // queue is not there now belongs to none.
  WEIR_RETURN_IF_ERROR(host_.RefreshQueues(absl::Now() + options_.acquire_timeout));
  if (log_ == nullptr) log_ = logs_.OpenLog(shard_);
  WEIR_ASSIGN_OR_RETURN(const store::ShardLog::Opened opened, log_->Open(epoch));
  clock_offset_ns_.store(
      absl::ToUnixNanos(opened.now) - absl::ToInt64Nanoseconds(clock_.Monotonic()),
      std::memory_order_relaxed);
  WEIR_RETURN_IF_ERROR(Recover(opened));
  owned_in_term_ = term;
  return absl::OkStatus();
}

absl::Status ShardEngine::Recover(const store::ShardLog::Opened& opened) {
  core::RecoveryBuilder builder(opened.next_log_no, opened.active_segment, opened.now);
  const auto go_on = [this] {
    return stopping_.load(std::memory_order_relaxed) || leaving_.load(std::memory_order_relaxed)
               ? absl::CancelledError("The server stops while the shard is read.")
               : absl::OkStatus();
  };
  WEIR_RETURN_IF_ERROR(
      log_->ReadEvents([&](core::SegmentNo segment, const core::AppendEvent& event) {
        builder.AddEvent(segment, event);
        return go_on();
      }));
  WEIR_RETURN_IF_ERROR(log_->ReadMetas(
      [&](core::PartitionId partition, core::LogNo log_no, const core::MessageMeta& meta) {
        builder.AddMessage(partition, log_no, meta);
        return go_on();
      }));
  state_.emplace(std::move(builder).Build());
  cache_.Clear();
  own_.clear();
  refills_.clear();
  segments_.clear();
  copying_.reset();
  for (const store::SegmentInfo& info : opened.segments) {
    segments_.push_back({.segment = info.segment, .rows = info.rows, .bytes = 0});
  }
  NoteSegments();
  return absl::OkStatus();
}

void ShardEngine::ConfigurePartitions() {
  for (const core::PartitionId partition : state_->Partitions()) {
    core::ConfigPtr config = host_.ConfigOf(partition);
    if (config == nullptr) {
      own_.emplace_back(RequestId(), core::DropPartition{partition});
    } else {
      own_.emplace_back(RequestId(), core::Configure{partition, std::move(config)});
    }
  }
}

absl::Time ShardEngine::Now() const {
  return absl::FromUnixNanos(clock_offset_ns_.load(std::memory_order_relaxed) +
                             absl::ToInt64Nanoseconds(clock_.Monotonic()));
}

absl::Duration ShardEngine::UntilNextTimer() const {
  const absl::Time timer = state_->NextTimer();
  if (timer == absl::InfiniteFuture()) return absl::InfiniteDuration();
  return std::max(timer - Now(), absl::ZeroDuration());
}

ShardEngine::ServeEnd ShardEngine::Serve() {
  Group previous;  // durable, its replies not yet released
  int rounds_leaving = 0;
  while (true) {
    std::vector<Mail> mail;
    if (MustLetGo()) {
      Release(previous);
      // What receivers did not take is given back here, if that is soon done.
      if (IsTakenOver() || own_.empty() || ++rounds_leaving > kRoundsLeavingMax) return ServeEnd::kLetGo;
    } else {
      mail = mailbox_.Take(absl::ZeroDuration(), options_.group_items_max, options_.group_bytes_max);
    }
    if (mail.empty() && own_.empty()) {
      Release(previous);
      // The first Take may have swallowed the wake of a question.
      if (own_.empty() && refills_.empty() && !stopping_.load() && !MustLetGo() && !HasQueries() &&
          !copying_.has_value()) {
        mail = mailbox_.Take(UntilNextTimer(), options_.group_items_max, options_.group_bytes_max);
      }
    }
    const bool last = stopping_.load();
    if (last) {
      for (Mail& rest : mailbox_.Close()) mail.push_back(std::move(rest));
    }
    Group group;
    DecideMail(std::move(mail), group);
    if (!Commit(group, previous)) {
      if (lost_by_ == store::CommitOutcome::kFenced) fenced_ = std::move(group.mail);
      return ServeEnd::kLost;
    }
    group.mail.clear();
    if (!MaintainSegments(group) || !AnswerQueries()) {
      Release(group);
      return ServeEnd::kLost;
    }
    if (last && own_.empty() && refills_.empty()) {
      Release(group);
      return ServeEnd::kStopped;
    }
    previous = std::move(group);
  }
}

bool ShardEngine::HasQueries() {
  MutexLock lock(&phase_mu_);
  return !queries_.empty();
}

void ShardEngine::DecideMail(std::vector<Mail> mail, Group& group) {
  auto own = std::exchange(own_, {});
  if (mail.empty() && own.empty()) DecideOne(RequestId(), core::Tick{}, group);
  for (const auto& [request, command] : own) DecideOne(request, command, group);
  for (Mail& item : mail) DecideOne(item, group);
  group.mail = std::move(mail);
}

void ShardEngine::DecideOne(Mail& item, Group& group) {
  const bool has_sink = item.sink != nullptr;
  if (has_sink) pending_.emplace(item.request, std::move(item.sink));
  const auto first = static_cast<std::ptrdiff_t>(group.replies.size());
  const auto answered_since = [&group](std::ptrdiff_t from, RequestId request) {
    return std::any_of(group.replies.begin() + from, group.replies.end(),
                       [&](const auto& reply) { return reply.first == request; });
  };
  auto* receive = std::get_if<core::Receive>(&item.command);
  if (receive == nullptr || receive->wait_until == absl::InfinitePast()) {
    DecideOne(item.request, item.command, group);
  } else {
    const absl::Time until = receive->wait_until;
    receive->wait_until += Now() - clock_.Now();
    DecideOne(item.request, item.command, group);
    receive->wait_until = until;
  }
  if (const auto* cancel = std::get_if<core::CancelReceive>(&item.command)) {
    // Unless its reply is already on the way, the cancelled receive ends here.
    if (!answered_since(0, cancel->request) && pending_.contains(cancel->request)) {
      group.replies.emplace_back(cancel->request, absl::CancelledError("The client is gone."));
    }
  } else if (has_sink && !answered_since(first, item.request)) {
    parked_.emplace(item.request, std::move(item));
    item.request = RequestId();
  }
}

void ShardEngine::DecideOne(RequestId request, const core::Command& command, Group& group) {
  core::Decision decision = state_->Decide(request, command, Now());
  for (core::Mutation& mutation : decision.mutations) {
    if (auto* message = std::get_if<core::AppendMessage>(&mutation)) {
      group.bytes += ContentBytes(*message->content);
      group.batch.messages.push_back(std::move(*message));
    } else {
      group.batch.events.push_back(std::move(std::get<core::AppendEvent>(mutation)));
    }
  }
  std::move(decision.replies.begin(), decision.replies.end(), std::back_inserter(group.replies));
  std::move(decision.effects.begin(), decision.effects.end(), std::back_inserter(group.effects));
}

bool ShardEngine::NeedsEpochCheck(const Group& group, int64_t term) {
  const bool lease_held = term != 0 && term == owned_in_term_;
  if (!lease_held && !group.replies.empty()) return true;
  return std::any_of(group.replies.begin(), group.replies.end(),
                     [](const auto& reply) { return SpeaksOfReceipts(reply.second); });
}

bool ShardEngine::CheckEpoch(int64_t term) {
  const absl::Status checked = log_->CheckEpoch();
  if (!checked.ok()) {
    lost_by_ = ReasonOf(checked) == ErrorReason::kShardNotOwned ? store::CommitOutcome::kFenced
                                                                : store::CommitOutcome::kRejected;
    return false;
  }
  owned_in_term_ = term;
  return true;
}

bool ShardEngine::Commit(Group& group, Group& previous) {
  const int64_t term = host_.LeaseTerm();
  if (group.batch.empty()) {
    Release(previous);
    if (NeedsEpochCheck(group, term) && !CheckEpoch(term)) return false;
  } else {
    group.batch.segment = state_->active_segment();
    const absl::Duration start = clock_.Monotonic();
    log_->BeginAppend(group.batch);
    Release(previous);
    const store::CommitOutcome outcome = log_->FinishAppend();
    if (outcome != store::CommitOutcome::kCommitted) {
      lost_by_ = outcome;
      return false;
    }
    metrics_.Committed(group.batch.messages.size() + group.batch.events.size(),
                       clock_.Monotonic() - start);
    owned_in_term_ = term;
    NoteCommitted(group.batch);
    segments_.back().bytes += group.bytes;
  }
  // What a group asked for is read while the next one commits.
  if (!FinishRefill() || !ResolveContents(group) || !CarryOutAll(group)) {
    // The group is durable, but its replies are lost with the state.
    if (!group.batch.empty()) lost_by_ = store::CommitOutcome::kInDoubt;
    return false;
  }
  return true;
}

void ShardEngine::NoteCommitted(const store::AppendBatch& batch) {
  segments_.back().rows += static_cast<int64_t>(batch.messages.size() + batch.events.size());
  stored_rows_.fetch_add(static_cast<int64_t>(batch.messages.size() + batch.events.size()),
                         std::memory_order_relaxed);
  for (const core::AppendMessage& message : batch.messages) {
    if (message.keep_content) cache_.Put(message.meta.seq, message.content);
  }
  for (const core::AppendEvent& event : batch.events) {
    if (event.kind == core::EventKind::kAcked || event.kind == core::EventKind::kMoved ||
        event.kind == core::EventKind::kExpired) {
      cache_.Erase(event.seq);
    }
  }
}

bool ShardEngine::ResolveContents(Group& group) {
  std::vector<store::ShardLog::MessageKey> missing;
  for (auto& [request, reply] : group.replies) {
    auto* receive = std::get_if<core::ReceiveReply>(&reply);
    if (receive == nullptr) continue;
    if (receive->messages.size() > kLongReplyMessages) {
      if (!ResolveLongReply(*receive)) return false;
      continue;
    }
    for (core::ReceivedMessage& message : receive->messages) {
      if (message.content == nullptr) message.content = cache_.Get(message.seq);
      if (message.content == nullptr) missing.push_back({receive->partition, message.seq});
    }
  }
  if (missing.empty()) return true;
  absl::flat_hash_map<core::MessageSeq, core::ContentPtr> found;
  if (!ReadContents(missing, found)) return false;
  for (auto& [request, reply] : group.replies) {
    auto* receive = std::get_if<core::ReceiveReply>(&reply);
    if (receive == nullptr) continue;
    for (core::ReceivedMessage& message : receive->messages) {
      if (message.content != nullptr) continue;
      const auto it = found.find(message.seq);
      WEIR_CHECK(it != found.end(), "a live message has no row in the store");
      message.content = it->second;
    }
  }
  return true;
}

bool ShardEngine::ResolveLongReply(core::ReceiveReply& reply) {
  std::vector<store::ShardLog::MessageKey> missing;
  for (core::ReceivedMessage& message : reply.messages) {
    if (message.content == nullptr) message.content = cache_.Get(message.seq);
    if (message.content == nullptr) missing.push_back({reply.partition, message.seq});
  }
  if (missing.empty()) return true;
  absl::flat_hash_map<core::MessageSeq, core::ContentPtr> found;
  if (!ReadContents(missing, found, kLongReplyBytes)) return false;
  for (size_t i = 0; i < reply.messages.size(); ++i) {
    core::ReceivedMessage& message = reply.messages[i];
    if (message.content != nullptr) continue;
    const auto it = found.find(message.seq);
    if (it != found.end()) {
      message.content = it->second;
      continue;
    }
    core::ReleaseLease too_many{reply.partition, {}};
    for (size_t j = i; j < reply.messages.size(); ++j) {
      too_many.receipts.push_back({reply.messages[j].seq, reply.messages[j].receive_count});
    }
    own_.emplace_back(RequestId(), std::move(too_many));
    reply.messages.resize(i);
  }
  return true;
}

bool ShardEngine::ReadContents(
    absl::Span<const store::ShardLog::MessageKey> keys,
    absl::flat_hash_map<core::MessageSeq, core::ContentPtr>& found, size_t bytes_max) {
  size_t keys_a_read = kKeysReadMin;
  size_t total = 0;
  while (!keys.empty() && total < bytes_max) {
    absl::StatusOr<std::vector<store::StoredMessage>> read =
        log_->ReadMessages(keys.subspan(0, keys_a_read));
    if (!read.ok()) return false;
    keys.remove_prefix(std::min(keys_a_read, keys.size()));
    metrics_.ContentsReadFromStore(read->size());
    size_t bytes = 0;
    for (store::StoredMessage& message : *read) {
      bytes += ContentBytes(*message.content);
      found.emplace(message.meta.seq, std::move(message.content));
    }
    total += bytes;
    // Sizes are known only afterwards: small contents are read many at once, large ones few.
    keys_a_read = bytes <= kSmallReadBytes ? std::min(2 * keys_a_read, kKeysReadMax) : kKeysReadMin;
  }
  return true;
}

bool ShardEngine::CarryOutAll(Group& group) {
  std::vector<core::Transfer> transfers;
  for (core::Effect& effect : std::exchange(group.effects, {})) {
    if (auto* transfer = std::get_if<core::Transfer>(&effect)) {
      transfers.push_back(std::move(*transfer));
    } else {
      refills_.push_back({std::get<core::NeedRefill>(effect), core::MessageSeq(0)});
      if (refills_.size() == 1) BeginRefill();
    }
  }
  return StartTransfers(transfers);
}

void ShardEngine::BeginRefill() {
  PendingRefill& first = refills_.front();
  first.appended_to = core::MessageSeq(state_->next_log_no().value());
  log_->BeginReadRange(first.need.partition, first.need.from, options_.refill_messages, options_.refill_bytes);
}

bool ShardEngine::FinishRefill() {
  if (refills_.empty()) return true;
  absl::StatusOr<std::vector<store::StoredMessage>> read = log_->FinishReadRange();
  if (!read.ok()) return false;
  const PendingRefill finished = refills_.front();
  refills_.pop_front();
  core::Refill refill{.partition = finished.need.partition, .from = finished.need.from};
  // Nothing found: everything that had been appended when the read began has been seen.
  refill.scanned_to = read->empty() ? finished.appended_to : read->back().meta.seq.Next();
  refill.messages.reserve(read->size());
  for (store::StoredMessage& message : *read) {
    cache_.Put(message.meta.seq, std::move(message.content));
    refill.messages.push_back(message.meta);
  }
  own_.emplace_back(RequestId(), std::move(refill));
  if (!refills_.empty()) BeginRefill();
  return true;
}

bool ShardEngine::FinishRefills() {
  while (!refills_.empty()) {
    if (!FinishRefill()) return false;
  }
  return true;
}

bool ShardEngine::StartTransfers(absl::Span<const core::Transfer> transfers) {
  std::vector<store::ShardLog::MessageKey> missing;
  for (const core::Transfer& transfer : transfers) {
    if (cache_.Get(transfer.meta.seq) == nullptr) {
      missing.push_back({transfer.source, transfer.meta.seq});
    }
  }
  absl::flat_hash_map<core::MessageSeq, core::ContentPtr> found;
  if (!ReadContents(missing, found)) return false;
  for (const core::Transfer& transfer : transfers) {
    core::ContentPtr content = cache_.Get(transfer.meta.seq);
    if (content == nullptr) {
      const auto it = found.find(transfer.meta.seq);
      WEIR_CHECK(it != found.end(), "a live message has no row in the store");
      content = std::move(it->second);
    }
    host_.StartTransfer(shard_, transfer, std::move(content));
  }
  return true;
}

void ShardEngine::Release(Group& group) {
  auto replies = std::exchange(group.replies, {});
  if (!parked_.empty()) {
    // Those who waited for messages come first: they have waited longest, and a message's latency ends there.
    std::stable_partition(replies.begin(), replies.end(),
                          [this](const auto& reply) { return parked_.contains(reply.first); });
  }
  for (auto& [request, reply] : replies) Deliver(request, std::move(reply));
}

void ShardEngine::Deliver(RequestId request, Reply reply) {
  const auto it = pending_.find(request);
  if (it == pending_.end()) return;
  ReplySink sink = std::move(it->second);
  pending_.erase(it);
  if (!parked_.empty()) parked_.erase(request);
  core::ReleaseLease leased;
  if (const auto* receive = std::get_if<core::ReceiveReply>(&reply)) {
    leased.partition = receive->partition;
    leased.receipts.reserve(receive->messages.size());
    for (const core::ReceivedMessage& message : receive->messages) {
      leased.receipts.push_back({message.seq, message.receive_count});
    }
  }
  if (!sink(std::move(reply)) && !leased.receipts.empty()) {
    own_.emplace_back(RequestId(), std::move(leased));
  }
}

bool ShardEngine::MaintainSegments(Group& group) {
  LiveSegment& active = segments_.back();
  if (active.rows >= options_.segment_rows_max || active.bytes >= options_.segment_bytes_max) {
    absl::StatusOr<core::SegmentNo> next = log_->StartSegment(state_->next_log_no());
    if (!next.ok()) return false;
    state_->StartSegment(*next);
    segments_.push_back({.segment = *next});
    NoteSegments();
  }
  while (segments_.size() > 1 && state_->LiveInSegment(segments_.front().segment) == 0) {
    if (!FinishRefills() || !log_->DropSegment(segments_.front().segment).ok()) return false;
    segments_.pop_front();
    NoteSegments();
  }
  const core::SegmentNo oldest = segments_.front().segment;
  if (copying_ != oldest) {
    copying_.reset();
    if (OldestIsWorthCopying()) copying_ = oldest;
  }
  return copying_.has_value() ? CopySlice(group) : true;
}

bool ShardEngine::OldestIsWorthCopying() const {
  if (static_cast<int>(segments_.size()) <= options_.segments_max) return false;
  // Its rows are what remembers deduplication ids; it can wait for the minutes until they end.
  if (state_->DeduplicationsInSegment(segments_.front().segment) > 0) return false;
  int64_t rows = 0;
  int64_t live = 0;
  for (const LiveSegment& segment : segments_) {
    rows += segment.rows;
    live += state_->LiveInSegment(segment.segment);
  }
  const LiveSegment& oldest = segments_.front();
  const bool cheap =
      static_cast<double>(state_->LiveInSegment(oldest.segment)) <=
      options_.copy_forward_live_share_max * static_cast<double>(oldest.rows);
  // Segments go oldest first, so messages that nobody receives hold back all that died after them. The dead rows pay for the
  // copy: each live one is copied once for so many that go.
  return cheap || rows > options_.stored_rows_per_live_max * live;
}

bool ShardEngine::CopySlice(Group& group) {
  if (!own_.empty() && slices_put_off_++ < kSlicesPutOffMax) return true;
  slices_put_off_ = 0;
  const core::SegmentNo segment = *copying_;
  absl::StatusOr<std::vector<store::StoredMessage>> rows =
      log_->ReadSegment(segment, options_.copy_rows, options_.copy_bytes);
  if (!rows.ok()) return false;
  core::CopyForward copy{.segment = segment, .last = rows->empty()};
  Group slice;
  if (copy.last) {
    slice.batch.retire = segment;
  } else {
    const store::StoredMessage& end = rows->back();
    slice.batch.copied = {segment, end.partition, end.meta.seq};
  }
  for (store::StoredMessage& row : *rows) {
    copy.rows.push_back({row.partition, row.meta, std::move(row.content)});
  }
  DecideOne(RequestId(), copy, slice);
  if (!Commit(slice, group)) return false;
  Release(slice);
  if (!copy.last) return true;
  copying_.reset();
  segments_.pop_front();
  NoteSegments();
  return FinishRefills() && log_->DropSegment(segment).ok();
}

void ShardEngine::Lose() {
  metrics_.ShardLost();
  const store::CommitOutcome outcome =
      std::exchange(lost_by_, store::CommitOutcome::kRejected);
  observe::Log(observe::Level::kWarning, "shard lost; taking it again",
               {{"shard", absl::StrCat(shard_.value())},
                {"epoch", absl::StrCat(epoch_.load())},
                {"outcome", std::string(OutcomeName(outcome))}});
  state_.reset();
  // What comes from now on was not under way at the loss, so its outcome is known.
  SetPhase(Phase::kTaking, LossError(outcome == store::CommitOutcome::kInDoubt
                                         ? store::CommitOutcome::kRejected
                                         : outcome));
  FailPending(LossError(outcome));
}

void ShardEngine::NoteSegments() {
  int64_t rows = 0;
  for (const LiveSegment& segment : segments_) rows += segment.rows;
  stored_rows_.store(rows, std::memory_order_relaxed);
  stored_segments_.store(static_cast<int32_t>(segments_.size()), std::memory_order_relaxed);
}

void ShardEngine::LetGo(const absl::Status& why) {
  observe::Log(observe::Level::kInfo, "shard let go",
               {{"shard", absl::StrCat(shard_.value())},
                {"epoch", absl::StrCat(epoch_.load())},
                {"why", std::string(why.message())}});
  if (lost_by_ == store::CommitOutcome::kFenced || IsTakenOver()) named_ = false;
  SetPhase(Phase::kIdle, why);
  host_.ShardLetGo(shard_, TakeUndone(why));
  state_.reset();
  cache_.Clear();
  own_.clear();
  refills_.clear();
  segments_.clear();
  NoteSegments();
  log_.reset();
  lost_by_ = store::CommitOutcome::kRejected;
  while (named_) {
    // Nobody takes a shard whose row names a replica that lives, so this is repeated until the store is there.
    const absl::Status released =
        leases_.ReleaseShard(shard_, replica_, epoch(), absl::Now() + options_.acquire_timeout);
    if (released.ok() || stopping_.load() || !absl::IsUnavailable(released) ||
        ReasonOf(released) == ErrorReason::kShardNotOwned) {
      named_ = false;
    }
    if (released.ok()) break;
    observe::Log(observe::Level::kWarning, "shard not given up in the store",
                 {{"shard", absl::StrCat(shard_.value())}, {"error", released.ToString()}});
    if (named_) mailbox_.Take(options_.retry_max, 1, 1);
  }
  idle_.store(true, std::memory_order_release);
  host_.ShardIdle(shard_);
}

Undone ShardEngine::TakeUndone(const absl::Status& why) {
  Undone undone{.why = why};
  const auto take_back = [&](Mail& item) {
    if (const auto it = pending_.find(item.request); it != pending_.end()) {
      item.sink = std::move(it->second);
      pending_.erase(it);
    }
    undone.mail.push_back(std::move(item));
  };
  for (auto& [request, item] : parked_) take_back(item);
  std::sort(undone.mail.begin(), undone.mail.end(),
            [](const Mail& a, const Mail& b) { return a.request < b.request; });
  parked_.clear();
  for (Mail& item : std::exchange(fenced_, {})) {
    if (item.request != RequestId()) take_back(item);
  }
  for (Mail& item : mailbox_.Close()) undone.mail.push_back(std::move(item));
  WEIR_CHECK(pending_.empty(), "a command is pending that nobody remembers");
  MutexLock lock(&phase_mu_);
  for (auto& question : std::exchange(queries_, {})) undone.queries.push_back(std::move(question));
  return undone;
}

void ShardEngine::FailPending(const absl::Status& status) {
  std::vector<Mail> mail = mailbox_.Close();
  parked_.clear();
  for (auto& [request, sink] : std::exchange(pending_, {})) {
    // A graceful stop ends long polls as if their time were over.
    if (stopping_.load() && state_.has_value()) {
      sink(core::ReceiveReply{});
    } else {
      sink(status);
    }
  }
  for (Mail& item : mail) {
    if (item.sink != nullptr) item.sink(status);
  }
  std::deque<std::pair<ShardQuery, AnswerSink>> queries;
  {
    MutexLock lock(&phase_mu_);
    queries.swap(queries_);
  }
  for (auto& [query, sink] : queries) sink(status);
}

}  // namespace weir::queue::engine
