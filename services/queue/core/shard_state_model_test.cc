// Random commands, faults and restarts against the reference model. Every run has a seed:
//
//   WEIR_SEED=17 shard_state_model_test        repeats one run
//   WEIR_MODEL_RUNS=100000 shard_state_model_test  many more runs than by default
//
// Two equal states go through each run. One is told of time before every command (Tick) and the
// other is not: their decisions must be the same, so what comes due is applied before a command,
// and equal inputs give equal outputs. The store answers reads of the backlog late, transfers end
// in every way, segments come and go, and the process dies at any moment.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "services/queue/core/backlog.h"
#include "services/queue/core/shard_state.h"
#include "services/queue/core/testing/print.h"
#include "services/queue/core/testing/reference_model.h"
#include "services/queue/core/testing/sim_store.h"

namespace weir::queue::core::testing {
namespace {

constexpr int kPartitions = 3;
constexpr PartitionId kForeign(1000);  // on another shard
constexpr int kSteps = 400;
constexpr int kMaxBatch = 4;
// As many as take a few seconds; sanitizers slow them down.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kDefaultRuns = 100;
#else
constexpr uint64_t kDefaultRuns = 600;
#endif
constexpr size_t kTraceLines = 4'000;

class Simulation {
 public:
  // `base`: its partitions have higher ids than that.
  Simulation(uint64_t seed, int64_t base, absl::Time& now)
      : random_(seed),
        base_(base),
        now_(now),
        limits_(RandomLimits()),
        ticked_(LogNo(1), SegmentNo(1), limits_),
        plain_(LogNo(1), SegmentNo(1), limits_),
        store_(SegmentNo(1)),
        model_(limits_) {
    for (int i = 1; i <= kPartitions; ++i) ids_.push_back(PartitionId(base_ + i));
    for (const PartitionId id : ids_) kinds_[id] = RandomKind();
    for (const PartitionId id : ids_) configs_[id] = RandomConfig(id);
  }

  // Another shard, with the same clock; some messages move there.
  void SetPeer(Simulation& peer) { peer_ = &peer; }

  // The first violation with the trace that led to it; empty: none.
  std::string Violation() const {
    if (ok()) return "";
    return absl::StrCat(absl::StrJoin(trace_, "\n"), "\n",
                        model_.violations().empty() ? fault_ : model_.violations().front());
  }

  struct Read {
    NeedRefill need;
    std::optional<Refill> answer;  // read, but not yet given
  };
  struct Move {
    Transfer transfer;
    std::optional<PartitionId> accepted_by;
    bool at_peer = false;  // accepted_by is a partition of the other shard
    bool lost = false;  // the source has died since
  };
  struct Known {
    PartitionId partition;
    Receipt receipt;
  };

  // What stays the same over the changes of a queue's config.
  struct Kind {
    bool fifo = false;
    bool groups = false;
    DeduplicationScope scope = DeduplicationScope::kQueue;
  };

  bool ok() const { return model_.violations().empty() && fault_.empty(); }
  void Fault(const std::string& sentence) {
    if (fault_.empty()) fault_ = sentence;
  }

  // ---- Chance ----
  int Random(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  bool OneIn(int n) { return Random(n) == 0; }
  PartitionId AnyPartition() { return ids_[static_cast<size_t>(Random(kPartitions))]; }
  // Seldom one whose queue was deleted a moment ago.
  PartitionId AnyKnownPartition() {
    return dropped_.empty() || !OneIn(30) ? AnyPartition() : AnyOf(dropped_);
  }
  const ConfigPtr& ConfigOf(PartitionId id) { return configs_.at(id); }
  template <typename T>
  T& AnyOf(std::vector<T>& items) {
    return items[static_cast<size_t>(Random(static_cast<int>(items.size())))];
  }

  ShardLimits RandomLimits() {
    ShardLimits limits;
    // As in earnest, no receive and no send is larger than either.
    limits.ready_window = static_cast<size_t>(kMaxBatch + 2 + Random(4));
    limits.refill_below = limits.ready_window - 1 - static_cast<size_t>(Random(2));
    limits.max_in_flight = 2 + Random(12);
    limits.max_waiters = static_cast<size_t>(1 + Random(5));
    limits.max_moving = 1 + Random(4);
    if (OneIn(2)) limits.max_searched = limits.ready_window + static_cast<size_t>(Random(8));
    limits.noisy_in_flight = 1 + Random(3);
    return limits;
  }

  Kind RandomKind() {
    return {.fifo = OneIn(2),
            .groups = OneIn(2),
            .scope = OneIn(2) ? DeduplicationScope::kQueue : DeduplicationScope::kMessageGroup};
  }

  // A queue that takes what `id` gives away: FIFO to FIFO, standard to standard.
  PartitionId AnyLike(PartitionId id) { return AnyOfKind(kinds_.at(id).fifo); }
  PartitionId AnyOfKind(bool fifo) {
    std::vector<PartitionId> like;
    for (const PartitionId other : ids_) {
      if (kinds_.at(other).fifo == fifo) like.push_back(other);
    }
    return like.empty() ? PartitionId() : AnyOf(like);
  }

  ConfigPtr RandomConfig(PartitionId id) {
    constexpr int kRetentions[] = {60, 90, 3'600, 345'600, 1'209'600};
    QueueConfig config{.version = ++version_};
    config.visibility_timeout = absl::Seconds(OneIn(6) ? 0 : 1 + Random(30));
    config.delay = absl::Seconds(OneIn(5) ? Random(20) : 0);
    config.retention = absl::Seconds(kRetentions[Random(5)]);
    config.fifo = kinds_.at(id).fifo;
    config.deduplication_scope = kinds_.at(id).scope;
    if (const PartitionId dead_letter = AnyLike(id); dead_letter != PartitionId() && OneIn(2)) {
      config.redrive = QueueConfig::Redrive{
          .max_receive_count = 1 + Random(3),
          .dead_letter = {.shard = ShardId(0), .partition = dead_letter, .queue = QueueId(1)}};
    }
    return std::make_shared<const QueueConfig>(std::move(config));
  }

  absl::Duration RandomTimeout() {
    constexpr int kSeconds[] = {0, 0, 1, 5, 20, 600, 43'200};
    return absl::Seconds(kSeconds[Random(7)]);
  }

  ContentPtr NewContent(PartitionId destination) {
    auto content = std::make_shared<MessageContent>();
    content->message_id = absl::StrFormat("00000000-0000-0000-%04d-%012d", base_, ++contents_);
    const Kind& kind = kinds_.at(destination);
    if (kind.fifo || (kind.groups && !OneIn(4))) {
      content->message_group_id = absl::StrCat("g", Random(OneIn(4) ? 20 : 3));
    }
    if (kind.fifo) {
      content->deduplication_id = OneIn(3) ? absl::StrCat("id", Random(5)) : content->message_id;
    }
    return content;
  }

  // ---- One decision ----
  RequestId Decide(const Command& command) {
    const RequestId request(++requests_);
    trace_.push_back(
        absl::StrCat("@", absl::ToUnixMicros(now_), " #", request.value(), " ", Print(command)));
    Decision tick = ticked_.Decide(RequestId(), Tick{}, now_);
    Accept(RequestId(), Tick{}, tick);
    Decision decision = ticked_.Decide(request, command, now_);
    Accept(request, command, decision);
    CheckTwin(tick, decision, plain_.Decide(request, command, now_));
    model_.CheckStats(ticked_);
    while (trace_.size() > kTraceLines) trace_.pop_front();
    return request;
  }

  void Accept(RequestId request, const Command& command, const Decision& decision) {
    const std::string text = Print(decision);
    if (!text.empty()) trace_.push_back(text);
    store_.Append(decision);
    model_.Check(request, command, decision, now_);
    for (const auto& [id, reply] : decision.replies) {
      const auto* receive = std::get_if<ReceiveReply>(&reply);
      if (receive == nullptr) continue;
      for (const ReceivedMessage& message : receive->messages) {
        known_.push_back({receive->partition, {message.seq, message.receive_count}});
      }
    }
    for (const Effect& effect : decision.effects) {
      if (const auto* need = std::get_if<NeedRefill>(&effect)) reads_.push_back({*need, {}});
      if (const auto* transfer = std::get_if<Transfer>(&effect)) moves_.push_back({*transfer, {}});
    }
  }

  void CheckTwin(Decision tick, const Decision& decision, const Decision& twin) {
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(tick.mutations, decision.mutations);
    append(tick.replies, decision.replies);
    append(tick.effects, decision.effects);
    if (Print(tick) != Print(twin))
      Fault("without a Tick before it the decision is:\n" + Print(twin));
  }

  // ---- Steps ----
  void Step() {
    if (!ok()) return;
    using Action = void (Simulation::*)();
    struct Weighted {
      int weight;
      Action action;
    };
    static constexpr Weighted kActions[] = {
        {40, &Simulation::DoSend},        {40, &Simulation::DoReceive},
        {4, &Simulation::DoCancel},       {25, &Simulation::DoDelete},
        {12, &Simulation::DoChange},      {6, &Simulation::DoRelease},
        {1, &Simulation::DoPurge},        {1, &Simulation::DoDrop},
        {3, &Simulation::DoConfigure},    {25, &Simulation::DoRefill},
        {20, &Simulation::DoMove},        {8, &Simulation::DoAcceptForeign},
        {4, &Simulation::DoForget},       {5, &Simulation::DoTake},
        {3, &Simulation::DoStartSegment}, {4, &Simulation::DoDropOldest},
        {8, &Simulation::DoCopyForward},  {2, &Simulation::DoCrash},
        {30, &Simulation::DoAdvance},
    };
    int total = 0;
    for (const Weighted& entry : kActions) total += entry.weight;
    int left = Random(total);
    for (const Weighted& entry : kActions) {
      left -= entry.weight;
      if (left >= 0) continue;
      (this->*entry.action)();
      break;
    }
    CheckSegments();
    if (OneIn(4)) CheckBrowse();
  }

  // Every move ends, everything that has expired is swept.
  void Quiesce() {
    for (int i = 0; i < 3 && ok(); ++i) {
      while (!moves_.empty() && ok()) DoMove();
      AdvanceTo(now_ + absl::Seconds(61));
      AnswerReads();
    }
    if (!ok() || !moves_.empty()) return;
    for (const MessageSeq seq : model_.Expired()) {
      Fault(absl::StrCat("message ", seq.value(), " has expired but is not swept"));
    }
  }

  // Every message can be received.
  void Drain() {
    if (!ok()) return;
    AdvanceTo(now_ + absl::Hours(12));
    // What the other shard has sent to a deleted queue after this one forgot it: the next take-over drops it.
    for (const PartitionId id : ticked_.Partitions()) {
      if (std::find(ids_.begin(), ids_.end(), id) == ids_.end()) Decide(DropPartition{id});
    }
    for (const PartitionId id : ids_) {
      QueueConfig config{.version = ++version_};
      config.retention = absl::Hours(24 * 10'000);
      config.fifo = kinds_.at(id).fifo;
      config.deduplication_scope = kinds_.at(id).scope;
      configs_[id] = std::make_shared<const QueueConfig>(config);
      Decide(Configure{id, ConfigOf(id)});
    }
    for (int i = 0; model_.live() > 0 && ok(); ++i) {
      const PartitionId id = ids_[static_cast<size_t>(i % kPartitions)];
      Decide(Receive{.partition = id, .config = ConfigOf(id), .max_messages = 10});
      AnswerReads();
      for (const Known& known : std::exchange(known_, {})) {
        Decide(Delete{.partition = known.partition, .receipts = {known.receipt}});
      }
      while (!moves_.empty() && ok()) DoMove();
      if (i > 1'000) Fault(absl::StrCat("messages are left that nobody can receive: ", Left()));
    }
  }

  // But for those whose move to the other shard this one has forgotten: they are taken again, and recognised there.
  std::set<std::string> LiveMessageIds() const {
    std::set<std::string> ids;
    for (const auto& [id, partition] : model_.partitions()) {
      for (const auto& [seq, message] : partition.messages) {
        if (!at_peer_.contains({id, seq})) ids.insert(message.content->message_id);
      }
    }
    return ids;
  }

 private:

  void DoSend() {
    const PartitionId id = AnyKnownPartition();
    Send send{.partition = id, .config = ConfigOf(id)};
    for (int i = 1 + Random(kMaxBatch); i > 0; --i) {
      std::optional<absl::Duration> delay;
      if (OneIn(3)) delay = absl::Seconds(OneIn(2) ? 0 : Random(30));
      send.messages.push_back({NewContent(id), delay});
    }
    Decide(send);
  }

  void DoReceive() {
    const PartitionId id = AnyKnownPartition();
    Receive receive{.partition = id, .config = ConfigOf(id), .max_messages = 1 + Random(kMaxBatch)};
    if (OneIn(3)) receive.visibility_timeout = RandomTimeout();
    if (OneIn(2)) receive.wait_until = now_ + absl::Seconds(Random(20));
    if (OneIn(2)) receive.consumer = absl::StrCat("c", Random(3));
    if (OneIn(3)) receive.attempt_id = absl::StrCat("a", Random(3));
    receive.only_repeat = OneIn(8);
    Decide(receive);
  }

  void DoCancel() {
    if (model_.waiters().empty()) return;
    const auto it =
        std::next(model_.waiters().begin(), Random(static_cast<int>(model_.waiters().size())));
    Decide(CancelReceive{it->second.partition, it->first});
  }

  // Mostly one of the last receives, sometimes an old one, seldom one that never was.
  Known AnyReceipt() {
    if (known_.empty() || OneIn(40)) {
      return {AnyPartition(), {MessageSeq(1 + Random(requests_)), 1 + Random(3)}};
    }
    const size_t last = std::min<size_t>(known_.size(), OneIn(4) ? known_.size() : 8);
    return known_[known_.size() - 1 - static_cast<size_t>(Random(static_cast<int>(last)))];
  }

  void DoDelete() {
    const Known first = AnyReceipt();
    Delete command{.partition = first.partition, .receipts = {first.receipt}};
    for (int i = Random(3); i > 0; --i) {
      const Known other = AnyReceipt();
      if (other.partition == first.partition) command.receipts.push_back(other.receipt);
    }
    Decide(command);
  }

  void DoChange() {
    const Known known = AnyReceipt();
    Decide(ChangeVisibility{.partition = known.partition,
                            .entries = {{known.receipt, RandomTimeout()}}});
  }

  void DoRelease() {
    const Known known = AnyReceipt();
    Decide(ReleaseLease{.partition = known.partition, .receipts = {known.receipt}});
  }

  void DoPurge() { Decide(Purge{AnyPartition()}); }
  void DoDrop() {
    PartitionId& id = AnyOf(ids_);
    Decide(DropPartition{id});
    dropped_.push_back(id);
    // The queue that is created next.
    id = PartitionId(base_ + kPartitions + static_cast<int64_t>(configs_.size()));
    kinds_[id] = RandomKind();
    configs_[id] = RandomConfig(id);
  }

  void DoConfigure() {
    const PartitionId id = AnyKnownPartition();
    configs_[id] = RandomConfig(id);
    Decide(Configure{id, ConfigOf(id)});
  }

  // A read may be done long before its answer is given.
  void DoRefill() {
    if (reads_.empty()) return;
    Read& read = AnyOf(reads_);
    if (!read.answer.has_value()) {
      read.answer =
          store_.Read(read.need, static_cast<size_t>(1 + Random(5)), ticked_.next_log_no());
      if (OneIn(3)) return;
    }
    const Refill refill = *read.answer;
    reads_.erase(reads_.begin() + (&read - reads_.data()));
    Decide(refill);
  }

  void DoMove() {
    if (moves_.empty()) return;
    const int index = Random(static_cast<int>(moves_.size()));
    // A decision may begin further moves, so nothing refers into the list.
    const Move move = moves_[static_cast<size_t>(index)];
    const PartitionId source = move.transfer.source;
    const MessageSeq seq = move.transfer.meta.seq;
    if (SendToPeer(index)) return;
    if (move.accepted_by.has_value()) {
      if (OneIn(4)) return Repeat(move);
      Decide(FinishTransfer{source, seq});
    } else if (const PartitionId destination = AnyLike(source);
               move.lost || OneIn(4) || destination == PartitionId()) {
      if (!move.lost) {
        std::optional<absl::Duration> retry_after;
        if (OneIn(2)) retry_after = absl::Seconds(1 + Random(5));
        Decide(AbortTransfer{source, seq, retry_after});
      }
    } else if (OneIn(2)) {
      Decide(MoveWithinShard{source, AcceptOf(move, destination)});
    } else {
      moves_[static_cast<size_t>(index)].accepted_by = destination;
      accepted_here_.insert({source, seq});
      return (void)Decide(AcceptOf(move, destination));
    }
    moves_.erase(moves_.begin() + index);
  }

  // A move to the other shard begins, or is taken up again after this one has died: the destination stays the same.
  bool SendToPeer(int index) {
    const Move move = moves_[static_cast<size_t>(index)];
    if (peer_ == nullptr || move.accepted_by.has_value() || move.lost) return false;
    const TransferId transfer{move.transfer.source, move.transfer.meta.seq};
    const auto known = at_peer_.find(transfer);
    if (known == at_peer_.end() && (accepted_here_.contains(transfer) || !OneIn(3))) return false;
    const PartitionId destination =
        known != at_peer_.end() ? known->second
                                : peer_->AnyOfKind(kinds_.at(move.transfer.source).fifo);
    const auto partition = model_.partitions().find(move.transfer.source);
    if (destination == PartitionId() || partition == model_.partitions().end()) return false;
    const auto message = partition->second.messages.find(move.transfer.meta.seq);
    if (message == partition->second.messages.end()) return false;
    at_peer_[transfer] = destination;
    moves_[static_cast<size_t>(index)].accepted_by = destination;
    moves_[static_cast<size_t>(index)].at_peer = true;
    AcceptTransfer accept = AcceptOf(move, destination);
    accept.content = message->second.content;
    peer_->Decide(accept);
    return true;
  }

  void Repeat(const Move& move) {
    AcceptTransfer accept = AcceptOf(move, *move.accepted_by);
    (move.at_peer ? *peer_ : *this).Decide(accept);
  }

  // The message is still here, or a move of it has not ended.
  bool MayRepeat(const TransferId& transfer) const {
    for (const Move& move : moves_) {
      if (move.transfer.source == transfer.source_partition &&
          move.transfer.meta.seq == transfer.source_seq) {
        return true;
      }
    }
    const auto partition = model_.partitions().find(transfer.source_partition);
    return partition != model_.partitions().end() &&
           partition->second.messages.contains(transfer.source_seq);
  }

  // `destination` may be a partition of the other shard.
  AcceptTransfer AcceptOf(const Move& move, PartitionId destination) {
    const MessageMeta& meta = move.transfer.meta;
    const bool redrive = !move.transfer.destination.has_value();
    Simulation& owner = kinds_.contains(destination) ? *this : *peer_;
    return {.partition = destination,
            .config = owner.ConfigOf(destination),
            .transfer = {move.transfer.source, meta.seq},
            .sent_at = redrive ? now_ : meta.sent_at,
            .receive_count = redrive ? 0 : meta.receive_count,
            .content = owner.NewContent(destination)};
  }

  void DoAcceptForeign() {
    if (foreign_.empty() || OneIn(2)) {
      const PartitionId id = AnyPartition();
      foreign_.push_back({.partition = id,
                          .config = ConfigOf(id),
                          .transfer = {kForeign, MessageSeq(++foreign_seq_)},
                          .sent_at = now_ - absl::Seconds(Random(3'600)),
                          .receive_count = Random(4),
                          .content = NewContent(id)});
      Decide(foreign_.back());
    } else {
      AcceptTransfer& repeated = AnyOf(foreign_);
      repeated.config = ConfigOf(repeated.partition);
      Decide(repeated);
    }
  }

  void DoForget() {
    if (model_.accepted().empty()) return;
    const auto it =
        std::next(model_.accepted().begin(), Random(static_cast<int>(model_.accepted().size())));
    const TransferId transfer = it->first;
    // The source repeats nothing after it has finished.
    if (MayRepeat(transfer) || (peer_ != nullptr && peer_->MayRepeat(transfer))) return;
    std::erase_if(foreign_,
                  [&](const AcceptTransfer& accept) { return accept.transfer == transfer; });
    Decide(ForgetTransfer{AnyPartition(), transfer});
  }

  void DoTake() {
    const PartitionId id = AnyKnownPartition();
    Decide(TakeForRedrive{id, ConfigOf(id), 1 + Random(4)});
  }

  void DoStartSegment() {
    const SegmentNo next = store_.active().Next();
    trace_.push_back(absl::StrCat("start segment ", next.value()));
    store_.Start(next);
    ticked_.StartSegment(next);
    plain_.StartSegment(next);
  }

  void DoDropOldest() {
    if (store_.oldest() == store_.active() || ticked_.LiveInSegment(store_.oldest()) > 0) return;
    trace_.push_back(absl::StrCat("drop segment ", store_.oldest().value()));
    store_.Drop(store_.oldest());
  }

  void DoCopyForward() {
    if (store_.oldest() == store_.active()) return;
    if (ticked_.DeduplicationsInSegment(store_.oldest()) > 0) return;
    const SegmentNo oldest = store_.oldest();
    const CopyForward slice = store_.ReadSegment(oldest, static_cast<size_t>(1 + Random(8)));
    Decide(slice);
    store_.NoteCopied(slice);
    if (!slice.last) return CheckAcceptances();
    if (ticked_.LiveInSegment(oldest) != 0) Fault("survivors are left behind");
    store_.Drop(oldest);
    CheckAcceptances();
  }

  // What is recorded nowhere any more must have been too old to be repeated.
  void CheckAcceptances() {
    std::vector<TransferId> unrecorded;
    for (const auto& [transfer, sent_at] : model_.accepted()) {
      if (store_.NewestRecord(transfer) != SegmentNo()) continue;
      if (sent_at + kMaxRetention > now_) Fault("an accepted transfer was forgotten");
      unrecorded.push_back(transfer);
    }
    for (const TransferId& transfer : unrecorded) {
      model_.ForgetAccepted(transfer);
      std::erase_if(foreign_, [&](const AcceptTransfer& a) { return a.transfer == transfer; });
    }
  }

  void DoCrash() {
    trace_.push_back("crash");
    const LogNo next(ticked_.next_log_no().value() + Random(3));
    const bool newest_first = OneIn(2);
    ticked_ = store_.Recover(next, now_, limits_, newest_first);
    plain_ = store_.Recover(next, now_, limits_, newest_first);
    model_.Crash(now_);
    reads_.clear();
    dropped_.clear();  // Who found them before has been answered.
    for (Move& move : moves_) move.lost = true;
    CheckPartitions();
    model_.CheckStats(ticked_);
    for (const PartitionId id : ticked_.Partitions()) Decide(Configure{id, ConfigOf(id)});
    CheckSegments();
  }

  void DoAdvance() {
    const absl::Time timer = ticked_.NextTimer();
    if (timer < absl::InfiniteFuture() && timer > now_ && OneIn(2)) {
      now_ = std::max(now_, timer - absl::Microseconds(1));
      if (!Print(ticked_.Decide(RequestId(), Tick{}, now_)).empty()) {
        Fault("something came due before NextTimer");
      }
      if (OneIn(2)) now_ = timer;
    } else {
      constexpr double kSeconds[] = {0.0, 0.000001, 0.5, 1.0, 7.0, 31.0, 61.0, 700.0};
      now_ += absl::Seconds(kSeconds[Random(8)]) + absl::Microseconds(Random(1'000));
      if (OneIn(60)) now_ += absl::Hours(OneIn(4) ? 24 * 15 : 5);
    }
    AdvanceTo(now_);
  }

  void AdvanceTo(absl::Time time) {
    now_ = time;
    Decide(Tick{});
    if (peer_ != nullptr) peer_->Decide(Tick{});
  }

  // ---- Checks ----
  void CheckPartitions() {
    std::set<PartitionId> expected;
    for (const auto& [id, partition] : model_.partitions()) {
      if (!partition.messages.empty()) expected.insert(id);
    }
    for (const auto& [key, remembered] : model_.ids()) {
      if (remembered.until > now_) expected.insert(key.first);
    }
    if (ticked_.Partitions() != std::vector<PartitionId>(expected.begin(), expected.end())) {
      Fault("recovery found other partitions");
    }
  }

  void CheckSegments() {
    std::map<SegmentNo, int64_t> live;
    for (const auto& [id, partition] : model_.partitions()) {
      for (const auto& [seq, message] : partition.messages) ++live[store_.NewestRow(seq)];
    }
    for (const auto& [transfer, sent_at] : model_.accepted()) ++live[store_.NewestRecord(transfer)];
    std::map<SegmentNo, int64_t> ids;
    std::map<SegmentNo, int64_t> ended_ids;  // forgotten soon, or already
    for (const auto& [key, remembered] : model_.ids()) {
      ++(remembered.until > now_ ? ids : ended_ids)[store_.NewestRow(remembered.seq)];
    }
    for (const SegmentNo segment : store_.segments()) {
      const int64_t actual_ids = ticked_.DeduplicationsInSegment(segment);
      if (actual_ids < ids[segment] || actual_ids > ids[segment] + ended_ids[segment]) {
        Fault(absl::StrCat("segment ", segment.value(), " remembers ", actual_ids, " ids, not ",
                           ids[segment]));
      }
      if (ticked_.LiveInSegment(segment) != live[segment] + actual_ids) {
        Fault(absl::StrCat("segment ", segment.value(), " has ", live[segment], " live rows, not ",
                           ticked_.LiveInSegment(segment) - actual_ids));
      }
    }
    if (ids[SegmentNo()] != 0) Fault("a deduplication id has no row");
    if (live[SegmentNo()] != 0) Fault("a live message has no row");
  }

  // Explicit messages page by page and the untouched ones from the store are all that live.
  void CheckBrowse() {
    const PartitionId id = AnyPartition();
    const BrowseFilter filter{
        .ready = !OneIn(4), .in_flight = !OneIn(4), .delayed = !OneIn(4)};
    std::map<MessageSeq, BrowsedMessage::State> seen;
    BrowsePage page;
    for (MessageSeq after; !page.complete;) {
      page = ticked_.Browse(id, after, static_cast<size_t>(1 + Random(3)), filter);
      for (const BrowsedMessage& message : page.messages) {
        if (message.meta.seq <= after) Fault("browse goes back");
        after = message.meta.seq;
        seen[after] = message.state;
      }
    }
    const std::optional<MessageSeq> untouched_from =
        ticked_.Browse(id, MessageSeq(), 1, filter).untouched_from;
    for (const MessageMeta& meta : store_.Metas(id)) {
      if (!filter.ready || !ticked_.IsUntouched(id, meta)) continue;
      if (meta.seq < untouched_from.value_or(Backlog::kNowhere)) Fault("browse begins too late");
      if (!seen.emplace(meta.seq, BrowsedMessage::State::kReady).second) {
        Fault("browse shows a message twice");
      }
    }
    std::map<MessageSeq, BrowsedMessage::State> expected;
    const auto partition = model_.partitions().find(id);
    if (partition != model_.partitions().end()) {
      for (const auto& [seq, message] : partition->second.messages) {
        const BrowsedMessage::State state = BrowsedStateOf(message.state);
        if (!filter.ready && state == BrowsedMessage::State::kReady) continue;
        if (!filter.delayed && state == BrowsedMessage::State::kDelayed) continue;
        if (!filter.in_flight && state == BrowsedMessage::State::kInFlight) continue;
        const bool expired = message.sent_at + ConfigOf(id)->retention <= now_;
        if (!expired || message.state == ReferenceModel::State::kMoving) expected[seq] = state;
      }
    }
    if (seen != expected) Fault(absl::StrCat("browse of partition ", id.value(), " differs"));
  }

  static BrowsedMessage::State BrowsedStateOf(ReferenceModel::State state) {
    if (state == ReferenceModel::State::kReady) return BrowsedMessage::State::kReady;
    return state == ReferenceModel::State::kDelayed ? BrowsedMessage::State::kDelayed
                                                    : BrowsedMessage::State::kInFlight;
  }

  // ---- The end of a run ----
  void AnswerReads() {
    for (int i = 0; !reads_.empty() && ok(); ++i) {
      DoRefill();
      if (i > 100'000) Fault("reads of the backlog never end");
    }
  }

  std::string Left() const {
    std::string text;
    for (const auto& [id, partition] : model_.partitions()) {
      for (const auto& [seq, message] : partition.messages) {
        absl::StrAppend(&text, " ", id.value(), "/", seq.value(), " state=",
                        static_cast<int>(message.state), " group=",
                        message.content->message_group_id);
      }
    }
    return text;
  }

  std::mt19937_64 random_;
  const int64_t base_;
  absl::Time& now_;
  Simulation* peer_ = nullptr;
  std::map<TransferId, PartitionId> at_peer_;  // moves that the other shard has been asked to accept
  std::set<TransferId> accepted_here_;         // and this one
  const ShardLimits limits_;
  int64_t version_ = 0;
  int requests_ = 0;
  int contents_ = 0;
  int64_t foreign_seq_ = 0;
  std::vector<PartitionId> ids_;  // of the queues that exist
  std::vector<PartitionId> dropped_;
  std::map<PartitionId, Kind> kinds_;         // of all there ever were
  std::map<PartitionId, ConfigPtr> configs_;  // of all there ever were
  ShardState ticked_;
  ShardState plain_;
  SimStore store_;
  ReferenceModel model_;
  std::vector<Read> reads_;
  std::vector<Move> moves_;
  std::vector<AcceptTransfer> foreign_;
  std::vector<Known> known_;
  std::deque<std::string> trace_;
  std::string fault_;
};

std::optional<uint64_t> FromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &value)) return std::nullopt;
  return value;
}

std::string RunOne(uint64_t seed) {
  absl::Time now = absl::FromUnixSeconds(1'000'000);
  Simulation shard(seed, 0, now);
  for (int i = 0; i < kSteps; ++i) shard.Step();
  shard.Quiesce();
  shard.Drain();
  return shard.Violation();
}

// Two shards that move messages to one another, each of which dies at any moment: no message is lost, none is doubled.
std::string RunTwo(uint64_t seed) {
  absl::Time now = absl::FromUnixSeconds(1'000'000);
  Simulation first(seed, 0, now);
  Simulation second(seed + 1'000'000'000, 100, now);
  first.SetPeer(second);
  second.SetPeer(first);
  const auto violation = [&] {
    return first.Violation().empty() ? second.Violation() : first.Violation();
  };
  for (int i = 0; i < kSteps && violation().empty(); ++i) {
    first.Step();
    second.Step();
  }
  first.Quiesce();
  second.Quiesce();
  first.Quiesce();
  if (!violation().empty()) return violation();
  const std::set<std::string> here = first.LiveMessageIds();
  for (const std::string& id : second.LiveMessageIds()) {
    if (here.contains(id)) return absl::StrCat("message ", id, " is on both shards");
  }
  first.Drain();
  second.Drain();
  return violation();
}

void RunMany(std::string (*run)(uint64_t), uint64_t default_runs) {
  const std::optional<uint64_t> seed = FromEnvironment("WEIR_SEED");
  const uint64_t first = seed.value_or(1);
  const uint64_t runs =
      seed.has_value() ? 1 : FromEnvironment("WEIR_MODEL_RUNS").value_or(default_runs);
  for (uint64_t i = first; i < first + runs; ++i) {
    const std::string violation = run(i);
    ASSERT_TRUE(violation.empty()) << violation << "\nrepeat with WEIR_SEED=" << i;
  }
}

TEST(ShardStateModelTest, AgreesWithReference) { RunMany(RunOne, kDefaultRuns); }

TEST(ShardStateModelTest, ShardsThatMoveMessagesAgreeWithReference) {
  RunMany(RunTwo, kDefaultRuns / 4);
}

}  // namespace
}  // namespace weir::queue::core::testing
