#include "services/queue/engine/shard_router.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"

namespace weir::queue::engine {
namespace {

using core::Reply;
using core::RequestId;

// After a peer refused: it may be about to serve the shard, or it cannot be reached for the moment.
constexpr absl::Duration kRetryAfter = absl::Milliseconds(100);
// Commands that went to a former owner and are not answered so long after another one was seen: nobody will say.
constexpr absl::Duration kFormerOwnerGrace = absl::Seconds(1);

// Only the replica that serves the shard can give these, about what it does itself.
bool IsOwnersOwn(const core::Command& command) {
  return std::holds_alternative<core::TakeForRedrive>(command) ||
         std::holds_alternative<core::FinishTransfer>(command) ||
         std::holds_alternative<core::MoveWithinShard>(command) ||
         std::holds_alternative<core::AbortTransfer>(command) ||
         std::holds_alternative<core::Configure>(command);
}

// The commands that a partition needs a config for.
core::ConfigPtr* ConfigIn(core::Command& command) {
  if (auto* send = std::get_if<core::Send>(&command)) return &send->config;
  if (auto* receive = std::get_if<core::Receive>(&command)) return &receive->config;
  if (auto* accept = std::get_if<core::AcceptTransfer>(&command)) return &accept->config;
  return nullptr;
}

core::PartitionId PartitionIn(const core::Command& command) {
  if (const auto* send = std::get_if<core::Send>(&command)) return send->partition;
  if (const auto* receive = std::get_if<core::Receive>(&command)) return receive->partition;
  if (const auto* accept = std::get_if<core::AcceptTransfer>(&command)) return accept->partition;
  return core::PartitionId();
}

absl::Status NoOwnerError(core::ShardId shard) {
  return MakeError(ErrorReason::kShardNotOwned,
                   absl::StrCat("No replica has served shard ", shard.value(),
                                " for as long as a request may wait; try again."));
}

absl::Status ShuttingDownError() {
  return MakeError(ErrorReason::kShuttingDown, "This server is stopping; try again.");
}

// Surely not done, and another replica, or the same one in a moment, will do it.
bool IsRefusal(const absl::Status& status) {
  const ErrorReason reason = ReasonOf(status);
  return reason == ErrorReason::kShardNotOwned || reason == ErrorReason::kShardRecovering ||
         reason == ErrorReason::kShuttingDown;
}

}  // namespace

// Something held: a command, or a question.
struct ShardRouter::Item {
  int64_t ticket = 0;  // its place
  absl::Duration give_up_at = absl::InfiniteDuration();  // monotonic
  Mail mail;
  // Of a command from a peer.
  core::Epoch epoch;
  int64_t registry_version = 0;
  int64_t registry_read = 0;  // the newest one when it came
  // A question, rather than `mail`.
  AnswerSink answer;
  ShardQuery query;
  absl::Time deadline;
};

// A command that a peer has.
struct ShardRouter::Remote {
  Item item;  // as it was, to be submitted again
  int64_t attempt = 0;
  std::string address;
  core::Epoch epoch;
  RequestId request;  // the peer's; 0: Submit has not returned yet
  bool ordered = false;  // not a receive
  bool cancelled = false;
  bool ended = false;  // by EndReceives
};

struct ShardRouter::Slot {
  explicit Slot(ShardEngine& engine) : engine(&engine) {}

  ShardEngine* const engine;
  // Served here, and nothing held or under way elsewhere: commands go straight to the mailbox.
  std::atomic<bool> direct{false};

  Mutex mu;
  std::deque<Item> held ABSL_GUARDED_BY(mu);  // by ticket
  size_t held_bytes ABSL_GUARDED_BY(mu) = 0;
  int64_t last_ticket ABSL_GUARDED_BY(mu) = 0;
  int64_t first_ticket ABSL_GUARDED_BY(mu) = 0;
  bool pumping ABSL_GUARDED_BY(mu) = false;
  bool pump_again ABSL_GUARDED_BY(mu) = false;
  absl::flat_hash_map<RequestId, Remote> remote ABSL_GUARDED_BY(mu);
  int64_t ordered ABSL_GUARDED_BY(mu) = 0;  // of `remote`
  core::Epoch ordered_epoch ABSL_GUARDED_BY(mu);
  // Something was refused: what went to the peer behind it will be too, and is awaited.
  bool refused ABSL_GUARDED_BY(mu) = false;
  absl::Duration retry_at ABSL_GUARDED_BY(mu);
  // Cancelled while the shard hands its requests back.
  absl::flat_hash_set<RequestId> cancelled ABSL_GUARDED_BY(mu);
  store::ShardOwnership owner ABSL_GUARDED_BY(mu);
  absl::Duration owner_since ABSL_GUARDED_BY(mu);

  void Insert(Item item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    direct.store(false);
    held_bytes += item.mail.bytes;
    const auto place =
        std::upper_bound(held.begin(), held.end(), item.ticket,
                         [](int64_t ticket, const Item& other) { return ticket < other.ticket; });
    held.insert(place, std::move(item));
  }
  Item PopFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    Item item = std::move(held.front());
    held.pop_front();
    held_bytes -= item.mail.bytes;
    return item;
  }
};

ShardRouter::ShardRouter(RouterOptions options, RouterHost& host, Peers* peers, const Clock& clock)
    : options_(options), host_(host), peers_(peers), clock_(clock) {}

ShardRouter::~ShardRouter() = default;

void ShardRouter::AddShard(ShardEngine& engine) { slots_.push_back(std::make_unique<Slot>(engine)); }

bool ShardRouter::HasShard(core::ShardId shard) const {
  return shard.value() >= 0 && static_cast<size_t>(shard.value()) < slots_.size();
}

ShardRouter::Slot& ShardRouter::slot(core::ShardId shard) const {
  return *slots_[static_cast<size_t>(shard.value())];
}

ShardEngine& ShardRouter::local(core::ShardId shard) { return *slot(shard).engine; }

bool ShardRouter::IsAtHand(core::ShardId shard) const {
  Slot& slot = this->slot(shard);
  if (slot.direct.load(std::memory_order_acquire)) return true;
  if (!slot.engine->IsIdle()) return slot.engine->IsServing();
  MutexLock lock(&slot.mu);
  return peers_ != nullptr && slot.owner.owner_alive && slot.owner.owner != options_.replica &&
         slot.retry_at <= Monotonic();
}

// ---- Submitting ----------------------------------------------------------------------------------------------------------

absl::StatusOr<RequestId> ShardRouter::Submit(core::ShardId shard, core::Command command,
                                              ReplySink sink, bool internal) {
  Slot& slot = this->slot(shard);
  Mail mail = slot.engine->Envelop(std::move(command), std::move(sink));
  const RequestId request = mail.request;
  if (slot.direct.load(std::memory_order_acquire)) {
    switch (internal ? slot.engine->PutInternal(mail) : slot.engine->Put(mail)) {
      case Mailbox::PutResult::kOk:
        return request;
      case Mailbox::PutResult::kFull:
        return slot.engine->FullError();
      case Mailbox::PutResult::kClosed:
        break;
    }
  }
  return SubmitSlowly(slot, std::move(mail), internal);
}

bool ShardRouter::EndsAtOnce(const Mail& mail) const {
  return ending_receives_.load() && !mail.from_peer && std::holds_alternative<core::Receive>(mail.command);
}

absl::StatusOr<RequestId> ShardRouter::SubmitSlowly(Slot& slot, Mail mail, bool internal) {
  if (EndsAtOnce(mail)) std::get<core::Receive>(mail.command).wait_until = absl::InfinitePast();
  const RequestId request = mail.request;
  {
    MutexLock lock(&slot.mu);
    if (stopped_.load()) return ShuttingDownError();
    if (IsHopeless(slot)) return slot.engine->NotServingError();
    Item item{.mail = std::move(mail)};
    if (absl::Status held = HoldLocked(slot, std::move(item), internal); !held.ok()) return held;
  }
  Pump(slot);
  return request;
}

bool ShardRouter::IsHopeless(Slot& slot) const {
  // Its owner cannot be asked; or it is this replica's, and the store is away, which is told at once.
  if (slot.engine->IsIdle()) return peers_ == nullptr;
  return ReasonOf(slot.engine->NotServingError()) == ErrorReason::kStoreUnavailable;
}

absl::Status ShardRouter::HoldLocked(Slot& slot, Item item, bool internal) {
  if (!internal && (slot.held.size() >= options_.held_items_max ||
                    slot.held_bytes + item.mail.bytes > options_.held_bytes_max)) {
    return MakeError(ErrorReason::kOverloaded,
                     absl::StrCat("Shard ", slot.engine->shard().value(),
                                  " is not served at the moment, and ", options_.held_items_max,
                                  " requests or ", options_.held_bytes_max,
                                  " bytes wait for that; slow down and try again."));
  }
  if (slot.held.empty() && slot.engine->IsIdle() &&
      (!slot.owner.owner_alive || slot.owner.owner == options_.replica)) {
    host_.OwnersInQuestion();
  }
  item.ticket = ++slot.last_ticket;
  item.give_up_at = std::min(item.give_up_at, Monotonic() + options_.hold_time);
  slot.Insert(std::move(item));
  return absl::OkStatus();
}

void ShardRouter::Query(core::ShardId shard, ShardQuery query, absl::Time deadline, AnswerSink sink) {
  Slot& slot = this->slot(shard);
  if (std::holds_alternative<LoadQuery>(query) && !slot.engine->IsIdle()) {
    return sink(slot.engine->Load());
  }
  Item item{.give_up_at = Monotonic() + std::min(deadline - clock_.Now(), options_.hold_time),
            .answer = std::move(sink),
            .query = std::move(query),
            .deadline = deadline};
  if (slot.direct.load(std::memory_order_acquire)) {
    // Asked past those that submit: to hold it would send them the long way meanwhile.
    Calls calls;
    Ask(slot, std::move(item), /*address=*/"", calls);
    for (auto& call : calls) call();
    return;
  }
  // How a shard fares that nobody serves is known without waiting.
  if (std::holds_alternative<LoadQuery>(item.query)) item.give_up_at = Monotonic();
  {
    MutexLock lock(&slot.mu);
    if (!stopped_.load() && !IsHopeless(slot)) {
      (void)HoldLocked(slot, std::move(item), /*internal=*/true);
      item.answer = nullptr;
    }
  }
  if (item.answer != nullptr) return item.answer(slot.engine->NotServingError());
  Pump(slot);
}

RequestId ShardRouter::SubmitFromPeer(core::ShardId shard, const SubmitTerms& terms,
                                      core::Command command, ReplySink sink) {
  Slot& slot = this->slot(shard);
  Mail mail = slot.engine->Envelop(std::move(command), std::move(sink));
  mail.from_peer = true;
  const RequestId request = mail.request;
  {
    MutexLock lock(&slot.mu);
    if (!slot.engine->IsIdle() && !stopped_.load() && !IsOwnersOwn(mail.command)) {
      Item item{.mail = std::move(mail),
                .epoch = terms.epoch,
                .registry_version = terms.registry_version,
                .registry_read = host_.LastReadBegun()};
      // Bounded by the link.
      (void)HoldLocked(slot, std::move(item), /*internal=*/true);
      mail.request = RequestId();
    }
  }
  if (mail.request != RequestId()) {
    if (mail.sink != nullptr) mail.sink(slot.engine->NotServingError());
    return RequestId();
  }
  Pump(slot);
  return request;
}

void ShardRouter::QueryFromPeer(core::ShardId shard, ShardQuery query, absl::Time, AnswerSink sink) {
  slot(shard).engine->Ask(std::move(query), std::move(sink));
}

void ShardRouter::Cancel(core::ShardId shard, core::PartitionId partition, RequestId request) {
  Slot& slot = this->slot(shard);
  Calls calls;
  {
    MutexLock lock(&slot.mu);
    const auto held = std::find_if(slot.held.begin(), slot.held.end(), [&](const Item& item) {
      return item.answer == nullptr && item.mail.request == request;
    });
    if (const auto remote = slot.remote.find(request); remote != slot.remote.end()) {
      remote->second.cancelled = true;
      CancelAtPeer(slot, remote->second, calls);
    } else if (held != slot.held.end()) {
      slot.held_bytes -= held->mail.bytes;
      AnswerItem(std::move(*held), absl::CancelledError("The client is gone."), calls);
      slot.held.erase(held);
    } else if (!slot.engine->Cancel(partition, request) && !slot.engine->IsIdle()) {
      slot.cancelled.insert(request);
    }
  }
  for (auto& call : calls) call();
}

// ---- Moving on -----------------------------------------------------------------------------------------------------------

void ShardRouter::Pump(Slot& slot) {
  {
    MutexLock lock(&slot.mu);
    slot.pump_again = true;
    if (slot.pumping || stopped_.load()) return;
    slot.pumping = true;
  }
  while (true) {
    Calls calls;
    {
      MutexLock lock(&slot.mu);
      const bool moved = !stopped_.load() && !slot.held.empty() && MoveFirst(slot, calls);
      if (!moved && calls.empty()) {
        if (!stopped_.load() && std::exchange(slot.pump_again, false)) continue;
        if (slot.held.empty() && slot.ordered == 0 && !stopped_.load() && slot.engine->IsServing()) {
          slot.direct.store(true, std::memory_order_release);
        }
        slot.pumping = false;
        return;
      }
    }
    for (auto& call : calls) call();
  }
}

bool ShardRouter::MoveFirst(Slot& slot, Calls& calls) {
  if (!slot.engine->IsIdle()) return MoveFirstHere(slot, calls);
  if (peers_ != nullptr && !slot.held.front().mail.from_peer) return MoveFirstToPeer(slot, calls);
  AnswerItem(slot.PopFront(), slot.engine->NotServingError(), calls);
  return true;
}

bool ShardRouter::MoveFirstHere(Slot& slot, Calls& calls) {
  ShardEngine& engine = *slot.engine;
  Item& first = slot.held.front();
  if (first.epoch != core::Epoch() && engine.HoldsShard() && first.epoch != engine.epoch()) {
    AnswerItem(slot.PopFront(), NoOwnerError(engine.shard()), calls);
    return true;
  }
  if (slot.ordered > 0 || !engine.IsServing()) return false;
  if (first.answer != nullptr) {
    Ask(slot, slot.PopFront(), /*address=*/"", calls);
    return true;
  }
  if (first.mail.from_peer) {
    const absl::StatusOr<bool> ready = PrepareFromPeer(first);
    if (!ready.ok()) AnswerItem(slot.PopFront(), ready.status(), calls);
    if (!ready.ok() || !*ready) return !ready.ok();
  }
  const size_t bytes = first.mail.bytes;
  if (engine.PutInternal(first.mail) != Mailbox::PutResult::kOk) return false;
  slot.held_bytes -= bytes;
  slot.held.pop_front();
  return true;
}

absl::StatusOr<bool> ShardRouter::PrepareFromPeer(Item& item) {
  core::ConfigPtr* const wanted = ConfigIn(item.mail.command);
  core::ConfigPtr config = wanted == nullptr ? nullptr : host_.ConfigOf(PartitionIn(item.mail.command));
  const bool unknown = wanted != nullptr && config == nullptr;
  const bool behind = host_.LastReadVersion() < item.registry_version;
  if (behind || (unknown && host_.LastReadDone() <= item.registry_read)) {
    host_.RequestRegistryRead();
    return false;
  }
  if (unknown) {
    return MakeError(ErrorReason::kQueueDoesNotExist, "The queue was deleted by another request.");
  }
  if (wanted != nullptr) *wanted = std::move(config);
  return true;
}

bool ShardRouter::MoveFirstToPeer(Slot& slot, Calls& calls) {
  const store::ShardOwnership& owner = slot.owner;
  if (slot.ordered > 0 && (slot.refused || slot.ordered_epoch != owner.epoch)) return false;
  if (slot.ordered == 0) slot.refused = false;
  const bool reachable =
      owner.owner_alive && !owner.address.empty() && owner.owner != options_.replica;
  if (!reachable || Monotonic() < slot.retry_at) return false;
  Item item = slot.PopFront();
  if (item.answer == nullptr && Monotonic() >= item.give_up_at) {
    // This replica was stopped for long: what it had decided before may be out of date.
    AnswerItem(std::move(item), NoOwnerError(slot.engine->shard()), calls);
  } else if (item.answer != nullptr) {
    Ask(slot, std::move(item), owner.address, calls);
  } else if (IsOwnersOwn(item.mail.command)) {
    AnswerItem(std::move(item), slot.engine->NotServingError(), calls);
  } else {
    SendToPeer(slot, std::move(item), calls);
  }
  return true;
}

void ShardRouter::SendToPeer(Slot& slot, Item item, Calls& calls) {
  const core::ShardId shard = slot.engine->shard();
  const std::string address = slot.owner.address;
  const SubmitTerms terms{.registry_version = host_.RegistryVersion(), .epoch = slot.owner.epoch};
  if (item.mail.sink == nullptr) {
    calls.push_back([this, shard, address, terms, command = std::move(item.mail.command)]() mutable {
      peers_->Submit(address, shard, terms, std::move(command), nullptr);
    });
    return;
  }
  const RequestId request = item.mail.request;
  const int64_t attempt = next_attempt_.fetch_add(1);
  core::Command command = item.mail.command;
  const core::PartitionId partition = PartitionIn(command);
  const bool ordered = !std::holds_alternative<core::Receive>(command);
  slot.remote.insert_or_assign(request, Remote{.item = std::move(item),
                                               .attempt = attempt,
                                               .address = address,
                                               .epoch = terms.epoch,
                                               .ordered = ordered});
  if (ordered) {
    ++slot.ordered;
    slot.ordered_epoch = terms.epoch;
  }
  calls.push_back([self = shared_from_this(), &slot, shard, address, terms, request, attempt, partition,
                   command = std::move(command)]() mutable {
    const RequestId theirs = self->peers_->Submit(
        address, shard, terms, std::move(command), [self, &slot, request, attempt](Reply reply) {
          return self->OnPeerReply(slot, request, attempt, std::move(reply));
        });
    bool cancelled = false;
    {
      MutexLock lock(&slot.mu);
      const auto it = slot.remote.find(request);
      if (it != slot.remote.end() && it->second.attempt == attempt) {
        it->second.request = theirs;
        cancelled = it->second.cancelled || it->second.ended;
      }
    }
    if (cancelled) self->peers_->Cancel(address, shard, partition, theirs);
  });
}

void ShardRouter::CancelAtPeer(Slot& slot, const Remote& remote, Calls& calls) {
  // Without an id yet: whoever submits it cancels it then.
  if (remote.request == RequestId()) return;
  calls.push_back([this, address = remote.address, shard = slot.engine->shard(),
                   partition = PartitionIn(remote.item.mail.command), id = remote.request] {
    peers_->Cancel(address, shard, partition, id);
  });
}

bool ShardRouter::OnPeerReply(Slot& slot, RequestId request, int64_t attempt, Reply reply) {
  ReplySink sink;
  {
    MutexLock lock(&slot.mu);
    const auto it = slot.remote.find(request);
    // It was submitted again, or answered, meanwhile.
    if (it == slot.remote.end() || it->second.attempt != attempt) return false;
    Remote remote = std::move(it->second);
    slot.remote.erase(it);
    if (remote.ordered) --slot.ordered;
    const auto* status = std::get_if<absl::Status>(&reply);
    const bool refused = status != nullptr && IsRefusal(*status);
    if (remote.ended && status != nullptr) {
      reply = core::ReceiveReply{};
    } else if (remote.cancelled && refused) {
      reply = absl::CancelledError("The client is gone.");
    }
    const bool again = refused && !remote.ended && !remote.cancelled && !stopped_.load() &&
                       Monotonic() < remote.item.give_up_at;
    if (again) {
      slot.refused = slot.refused || remote.ordered;
      if (remote.epoch == slot.owner.epoch) slot.retry_at = Monotonic() + kRetryAfter;
      if (slot.held.empty()) host_.OwnersInQuestion();
      slot.Insert(std::move(remote.item));
    } else {
      sink = std::move(remote.item.mail.sink);
    }
  }
  Pump(slot);
  return sink == nullptr || sink(std::move(reply));
}

void ShardRouter::Ask(Slot& slot, Item item, const std::string& address, Calls& calls) {
  ShardQuery query = item.query;
  const absl::Time deadline = item.deadline;
  const core::ShardId shard = slot.engine->shard();
  AnswerSink sink = [self = shared_from_this(), &slot,
                     item = std::move(item)](absl::StatusOr<ShardAnswer> answer) mutable {
    if (self->AskAgain(slot, item, answer.status())) return self->Pump(slot);
    item.answer(std::move(answer));
  };
  calls.push_back([this, &slot, shard, address, deadline, query = std::move(query),
                   sink = std::move(sink)]() mutable {
    if (address.empty()) {
      slot.engine->Ask(std::move(query), std::move(sink));
    } else {
      peers_->Query(address, shard, std::move(query), deadline, std::move(sink));
    }
  });
}

bool ShardRouter::AskAgain(Slot& slot, Item& item, const absl::Status& refusal) {
  if (refusal.ok() || !IsRefusal(refusal)) return false;
  MutexLock lock(&slot.mu);
  if (stopped_.load() || peers_ == nullptr || Monotonic() >= item.give_up_at) return false;
  slot.retry_at = std::max(slot.retry_at, Monotonic() + kRetryAfter);
  if (slot.held.empty()) host_.OwnersInQuestion();
  slot.Insert(std::move(item));
  return true;
}

void ShardRouter::AnswerItem(Item item, Reply reply, Calls& calls) {
  if (item.answer != nullptr) {
    calls.push_back([answer = std::move(item.answer), reply = std::move(reply)]() mutable {
      answer(std::get<absl::Status>(std::move(reply)));
    });
  } else if (item.mail.sink != nullptr) {
    calls.push_back([sink = std::move(item.mail.sink), reply = std::move(reply)]() mutable {
      (void)sink(std::move(reply));
    });
  } else {
    // So that the caller sees that something moved.
    calls.push_back([] {});
  }
}

// ---- What the shard says ---------------------------------------------------------------------------------------------------

void ShardRouter::ShardServes(core::ShardId shard) {
  Slot& slot = this->slot(shard);
  {
    MutexLock lock(&slot.mu);
    slot.cancelled.clear();
  }
  Pump(slot);
}

void ShardRouter::ShardRefuses(core::ShardId shard, const absl::Status& why) {
  Slot& slot = this->slot(shard);
  Calls calls;
  {
    MutexLock lock(&slot.mu);
    while (!slot.held.empty()) AnswerItem(slot.PopFront(), why, calls);
  }
  for (auto& call : calls) call();
}

void ShardRouter::ShardLetGo(core::ShardId shard, Undone undone) {
  Slot& slot = this->slot(shard);
  Calls calls;
  {
    MutexLock lock(&slot.mu);
    slot.direct.store(false);
    for (const Mail& mail : undone.mail) {
      if (const auto* cancel = std::get_if<core::CancelReceive>(&mail.command)) {
        slot.cancelled.insert(cancel->request);
      }
    }
    // Backwards, each in front of the others: all of it came before what is held.
    for (auto mail = undone.mail.rbegin(); mail != undone.mail.rend(); ++mail) {
      if (std::holds_alternative<core::CancelReceive>(mail->command)) continue;
      Item item{.ticket = --slot.first_ticket,
                .give_up_at = Monotonic() + options_.hold_time,
                .mail = std::move(*mail)};
      if (slot.cancelled.contains(item.mail.request)) {
        AnswerItem(std::move(item), absl::CancelledError("The client is gone."), calls);
      } else if (item.mail.from_peer || peers_ == nullptr || stopped_.load() ||
                 IsOwnersOwn(item.mail.command)) {
        AnswerItem(std::move(item), undone.why, calls);
      } else if (EndsAtOnce(item.mail)) {
        AnswerItem(std::move(item), core::ReceiveReply{}, calls);
      } else {
        slot.Insert(std::move(item));
      }
    }
    slot.cancelled.clear();
  }
  for (auto& call : calls) call();
  for (auto& [query, answer] : undone.queries) answer(undone.why);
}

void ShardRouter::ShardIdle(core::ShardId shard) { Pump(slot(shard)); }

// ---- What the store says ---------------------------------------------------------------------------------------------------

void ShardRouter::SetOwners(const std::vector<store::ShardOwnership>& owners) {
  for (const store::ShardOwnership& owner : owners) {
    if (!HasShard(owner.shard)) continue;
    Slot& slot = this->slot(owner.shard);
    Calls calls;
    {
      MutexLock lock(&slot.mu);
      if (slot.owner.epoch != owner.epoch) slot.owner_since = Monotonic();
      if (slot.owner.epoch != owner.epoch || slot.owner.address != owner.address ||
          slot.owner.owner_alive != owner.owner_alive) {
        slot.retry_at = absl::ZeroDuration();
      }
      slot.owner = owner;
      ReturnReceives(slot, calls);
    }
    for (auto& call : calls) call();
    Pump(slot);
  }
}

void ShardRouter::ReturnReceives(Slot& slot, Calls& calls) {
  std::vector<RequestId> returned;
  for (const auto& [request, remote] : slot.remote) {
    if (!remote.ordered && remote.epoch != slot.owner.epoch) returned.push_back(request);
  }
  std::sort(returned.begin(), returned.end());
  for (const RequestId request : returned) {
    Remote remote = std::move(slot.remote.at(request));
    slot.remote.erase(request);
    CancelAtPeer(slot, remote, calls);
    if (remote.cancelled) {
      AnswerItem(std::move(remote.item), absl::CancelledError("The client is gone."), calls);
    } else if (remote.ended) {
      AnswerItem(std::move(remote.item), core::ReceiveReply{}, calls);
    } else {
      slot.Insert(std::move(remote.item));
    }
  }
}

void ShardRouter::Sweep() {
  for (const auto& slot : slots_) {
    Calls calls;
    {
      MutexLock lock(&slot->mu);
      GiveUpOld(*slot, calls);
    }
    for (auto& call : calls) call();
    Pump(*slot);
  }
}

void ShardRouter::GiveUpOld(Slot& slot, Calls& calls) {
  const absl::Duration now = Monotonic();
  std::deque<Item> kept;
  for (Item& item : slot.held) {
    if (now < item.give_up_at) {
      kept.push_back(std::move(item));
      continue;
    }
    slot.held_bytes -= item.mail.bytes;
    AnswerItem(std::move(item),
               slot.engine->IsIdle() ? NoOwnerError(slot.engine->shard()) : slot.engine->NotServingError(),
               calls);
  }
  slot.held = std::move(kept);
  if (slot.ordered == 0 || slot.ordered_epoch == slot.owner.epoch) return;
  if (now - slot.owner_since < kFormerOwnerGrace) return;
  std::vector<RequestId> lost;
  for (const auto& [request, remote] : slot.remote) {
    if (remote.ordered && remote.epoch != slot.owner.epoch) lost.push_back(request);
  }
  for (const RequestId request : lost) {
    Remote remote = std::move(slot.remote.at(request));
    slot.remote.erase(request);
    --slot.ordered;
    AnswerItem(std::move(remote.item),
               MakeError(ErrorReason::kOutcomeUnknown,
                         "The replica that had the request has lost the queue's shard and does not "
                         "answer, so it is unknown whether the change was made."),
               calls);
  }
}

bool ShardRouter::AwaitsOwners() const {
  for (const auto& slot : slots_) {
    MutexLock lock(&slot->mu);
    if (slot->engine->IsIdle() && !slot->held.empty()) return true;
    if (slot->ordered > 0 && slot->ordered_epoch != slot->owner.epoch) return true;
  }
  return false;
}

void ShardRouter::RegistryWasRead() {
  for (const auto& slot : slots_) Pump(*slot);
}

// ---- The end ---------------------------------------------------------------------------------------------------------------

void ShardRouter::EndReceives() {
  ending_receives_.store(true);
  for (const auto& slot : slots_) {
    Calls calls;
    {
      MutexLock lock(&slot->mu);
      std::deque<Item> kept;
      for (Item& item : std::exchange(slot->held, {})) {
        if (item.answer == nullptr && EndsAtOnce(item.mail)) {
          slot->held_bytes -= item.mail.bytes;
          AnswerItem(std::move(item), core::ReceiveReply{}, calls);
        } else {
          kept.push_back(std::move(item));
        }
      }
      slot->held = std::move(kept);
      for (auto& [request, remote] : slot->remote) {
        if (remote.ordered) continue;
        remote.ended = true;
        CancelAtPeer(*slot, remote, calls);
      }
    }
    for (auto& call : calls) call();
  }
}

void ShardRouter::Stop() {
  stopped_.store(true);
  for (const auto& slot : slots_) {
    Calls calls;
    {
      MutexLock lock(&slot->mu);
      slot->direct.store(false);
      while (!slot->held.empty()) AnswerItem(slot->PopFront(), ShuttingDownError(), calls);
      slot->mu.Await([&slot]() { return !slot->pumping; });
    }
    for (auto& call : calls) call();
  }
}

}  // namespace weir::queue::engine
