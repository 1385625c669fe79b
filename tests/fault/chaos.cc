#include "tests/fault/chaos.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace weir {
namespace {

constexpr int kLeaseSeconds = 2;
constexpr absl::Duration kLease = absl::Seconds(kLeaseSeconds);
// Until the service goes on by itself after a fault, and until a drain has emptied the queues.
constexpr absl::Duration kRecovery = absl::Seconds(40);
constexpr absl::Duration kDrain = absl::Seconds(180);
constexpr int64_t kBacklog = 1'500;
constexpr int64_t kDeepBacklog = 50'000;
constexpr int kSendersAll = 3;
constexpr int kReceiversAll = 6;
// So many sends must be answered between two faults.
constexpr int kProgress = 20;

// Whether an error may come from a service whose surroundings break. All else is a defect.
bool IsExpected(const std::string& error) {
  return absl::StartsWith(error, "UNAVAILABLE") || absl::StartsWith(error, "DEADLINE_EXCEEDED") ||
         absl::StartsWith(error, "RESOURCE_EXHAUSTED") || absl::StartsWith(error, "CANCELLED") ||
         // Receipts that came too late.
         error == "NOT_FOUND MESSAGE_DOES_NOT_EXIST" ||
         error == "FAILED_PRECONDITION MESSAGE_NOT_INFLIGHT" ||
         error == "FAILED_PRECONDITION RECEIPT_HANDLE_EXPIRED";
}

// A drain that did not end says nothing of what is lost, and much of the rest.
absl::Status WithWhatIsCertain(const absl::Status& failure, const Ledger& ledger) {
  std::vector<Ledger::Violation> violations = ledger.Check();
  violations.erase(std::remove_if(violations.begin(), violations.end(),
                                  [](const auto& violation) { return violation.rule == "lost"; }),
                   violations.end());
  return absl::Status(failure.code(), absl::StrCat(failure.message(), "\n", Describe(violations)));
}

}  // namespace

// A program that starts needs PostgreSQL: what ends one must not meet what takes the other away. Nor are two of one kind told apart.
bool Chaos::MayMeet(const Fault& a, const Fault& b) {
  return a.touches != b.touches && !(a.restarts && b.hinders_starts) && !(b.restarts && a.hinders_starts);
}

std::vector<LoadQueue> Chaos::Queues(bool deep) const {
  if (deep) {
    std::vector<LoadQueue> few = {{.name = "mails", .visibility_timeout = absl::Seconds(1)}};
    if (options_.fifo) {
      few.push_back({.name = "steps.fifo", .visibility_timeout = absl::Seconds(1), .fifo = true});
    }
    return few;
  }
  std::vector<LoadQueue> queues = {
      {.name = "dead-letters"},
      {.name = "orders", .dead_letter_queue = "dead-letters", .max_receive_count = 2},
      {.name = "mails", .visibility_timeout = absl::Seconds(1)},
      {.name = "bills", .visibility_timeout = absl::Seconds(3)},
  };
  if (options_.fifo) {
    queues.push_back({.name = "dead-letters.fifo", .fifo = true});
    queues.push_back({.name = "accounts.fifo",
                      .dead_letter_queue = "dead-letters.fifo",
                      .max_receive_count = 3,
                      .fifo = true});
    queues.push_back({.name = "steps.fifo", .visibility_timeout = absl::Seconds(1), .fifo = true});
  }
  return queues;
}

// ---- Faults ---------------------------------------------------------------------------------------------------------------

Chaos::Kind Chaos::Deal() {
  if (deck_.empty()) {
    deck_ = {Kind::kKill,          Kind::kInterrupt,         Kind::kPauseShort,
             Kind::kPostgresFast,  Kind::kPostgresImmediate, Kind::kPostgresKill,
             Kind::kCutPostgres,   Kind::kDelayPostgres,     Kind::kCutPostgresInRequest,
             Kind::kKill,          Kind::kPauseBeyondLease,  Kind::kPartitionPostgres};
    if (options_.replicas > 1) {
      deck_.insert(deck_.end(), {Kind::kCutPeers, Kind::kDelayPeers, Kind::kPartitionPeers});
    }
    std::shuffle(deck_.begin(), deck_.end(), gen_);
  }
  const Kind kind = deck_.back();
  deck_.pop_back();
  return kind;
}

absl::Duration Chaos::Between(absl::Duration from, absl::Duration to) {
  return absl::Milliseconds(absl::Uniform(absl::IntervalClosed, gen_, absl::ToInt64Milliseconds(from),
                                          absl::ToInt64Milliseconds(to)));
}

Chaos::Fault Chaos::MakeFault(Kind kind) {
  const int replica = absl::Uniform(gen_, 0, cluster_->size());
  switch (kind) {
    case Kind::kPostgresFast:
      return PostgresFault(TestCluster::PostgresEnd::kFast);
    case Kind::kPostgresImmediate:
      return PostgresFault(TestCluster::PostgresEnd::kImmediate);
    case Kind::kPostgresKill:
      return PostgresFault(TestCluster::PostgresEnd::kKill);
    case Kind::kKill:
    case Kind::kInterrupt:
    case Kind::kPauseShort:
    case Kind::kPauseBeyondLease:
      return ReplicaFault(kind, replica);
    case Kind::kCutPostgres:
    case Kind::kCutPostgresInRequest:
    case Kind::kCutPeers:
      return CutFault(kind, replica);
    case Kind::kDelayPostgres:
    case Kind::kPartitionPostgres:
    case Kind::kDelayPeers:
    case Kind::kPartitionPeers:
      return NetworkFault(kind, replica);
  }
  return {};
}

Chaos::Fault Chaos::PostgresFault(TestCluster::PostgresEnd way) {
  return {.what = ToString(way),
          .lasts = Between(absl::ZeroDuration(), absl::Seconds(1)),
          .touches = "PostgreSQL",
          .hinders_starts = true,
          .begin = [this, way] { return cluster_->EndPostgres(way); },
          .end = [this] { return cluster_->StartPostgresAgain(); }};
}

Chaos::Fault Chaos::ReplicaFault(Kind kind, int replica) {
  const std::string& name = cluster_->name(replica);
  if (kind == Kind::kKill || kind == Kind::kInterrupt) {
    return {.what = absl::StrCat(kind == Kind::kKill ? "kill -9 of " : "SIGTERM of ", name),
            .lasts = Between(absl::ZeroDuration(), 2 * kLease),
            .touches = name,
            .restarts = true,
            .begin =
                [this, kind, replica] {
                  if (kind == Kind::kInterrupt) return cluster_->Interrupt(replica);
                  cluster_->Kill(replica);
                  return absl::OkStatus();
                },
            .end = [this, replica] { return cluster_->StartAgain(replica); }};
  }
  const bool beyond = kind == Kind::kPauseBeyondLease;
  return {.what = absl::StrCat("SIGSTOP of ", name),
          .lasts = beyond ? kLease + Between(absl::Milliseconds(500), absl::Seconds(2))
                          : Between(absl::Milliseconds(100), kLease),
          .touches = name,
          .begin =
              [this, replica] {
                cluster_->Pause(replica);
                return absl::OkStatus();
              },
          .end =
              [this, replica] {
                cluster_->Resume(replica);
                return absl::OkStatus();
              }};
}

Chaos::Fault Chaos::CutFault(Kind kind, int replica) {
  const std::string& name = cluster_->name(replica);
  if (kind == Kind::kCutPostgresInRequest) {
    const int count = absl::Uniform(absl::IntervalClosed, gen_, 1, 6);
    return {.what = absl::StrCat("connections from ", name, " to PostgreSQL cut ", count,
                                 " times, after a request has gone out"),
            .lasts = Between(absl::Milliseconds(200), absl::Seconds(2)),
            .touches = name + " to PostgreSQL",
            .hinders_starts = true,
            .begin =
                [this, replica, count] {
                  cluster_->to_postgres(replica).CutAfterRequests(count);
                  return absl::OkStatus();
                },
            .end =
                [this, replica] {
                  cluster_->to_postgres(replica).CutAfterRequests(0);
                  return absl::OkStatus();
                }};
  }
  const bool peers = kind == Kind::kCutPeers;
  const auto cut = [this, peers, replica] {
    (peers ? cluster_->from_peers(replica) : cluster_->to_postgres(replica)).Cut();
    return absl::OkStatus();
  };
  return {.what = absl::StrCat("connections cut twice, of ", name, peers ? " from peers" : " to PostgreSQL"),
          .lasts = Between(absl::ZeroDuration(), absl::Milliseconds(500)),
          .touches = name + (peers ? " from peers" : " to PostgreSQL"),
          .hinders_starts = true,
          .begin = cut,
          .end = cut};
}

Chaos::Fault Chaos::NetworkFault(Kind kind, int replica) {
  const bool peers = kind == Kind::kDelayPeers || kind == Kind::kPartitionPeers;
  TcpProxy& proxy = peers ? cluster_->from_peers(replica) : cluster_->to_postgres(replica);
  const std::string between =
      absl::StrCat(peers ? "from peers to " : "to PostgreSQL from ", cluster_->name(replica));
  if (kind == Kind::kDelayPostgres || kind == Kind::kDelayPeers) {
    const absl::Duration delay = Between(absl::Milliseconds(5), absl::Milliseconds(300));
    return {.what = absl::StrCat("delay of ", absl::FormatDuration(delay), " each way, ", between),
            .lasts = Between(absl::Seconds(1), absl::Seconds(4)),
            .touches = cluster_->name(replica) + (peers ? " from peers" : " to PostgreSQL"),
            // A new connection takes several trips, with the larger delays more than a third of the lease, so none gets ready in time.
            .hinders_starts = !peers,
            .begin =
                [&proxy, delay] {
                  proxy.SetDelay(delay);
                  return absl::OkStatus();
                },
            .end =
                [&proxy] {
                  proxy.Heal();
                  return absl::OkStatus();
                }};
  }
  const auto way = static_cast<TcpProxy::Way>(absl::Uniform(gen_, 0, 3));
  // Else what was sent into it arrives when it ends, long after everybody has given it up.
  const bool lost = absl::Bernoulli(gen_, 0.5);
  static constexpr const char* kWays[] = {"of requests", "of answers", "both ways"};
  return {.what = absl::StrCat("partition ", kWays[static_cast<int>(way)], ", ", between,
                               lost ? ", with loss" : ""),
          .lasts = Between(absl::Milliseconds(200), kLease + absl::Seconds(3)),
          .touches = cluster_->name(replica) + (peers ? " from peers" : " to PostgreSQL"),
          .hinders_starts = true,
          .begin =
              [&proxy, way] {
                proxy.Block(way);
                return absl::OkStatus();
              },
          .end =
              [&proxy, lost] {
                if (lost) proxy.Cut();
                proxy.Heal();
                return absl::OkStatus();
              }};
}

// ---- Rounds ---------------------------------------------------------------------------------------------------------------

absl::Status Chaos::Run() {
  WEIR_ASSIGN_OR_RETURN(cluster_, TestCluster::Start({.folder = options_.folder,
                                                      .replicas = options_.replicas,
                                                      .lease_seconds = kLeaseSeconds}));
  for (int round = 0; round < options_.rounds; ++round) WEIR_RETURN_IF_ERROR(RunRound(round));
  return absl::OkStatus();
}

absl::Status Chaos::RunRound(int round) {
  const uint64_t seed = options_.seed + static_cast<uint64_t>(round);
  gen_.seed(seed);
  deck_.clear();
  // Few receivers, so that queues grow beyond what the service holds in memory and are read again from the store.
  const bool deep = absl::Bernoulli(gen_, 0.25);
  std::printf("round %d of %d, seed %llu%s\n", round + 1, options_.rounds,
              static_cast<unsigned long long>(seed), deep ? ", deep queues" : "");
  std::fflush(stdout);
  Ledger ledger;
  const int replicas = cluster_->size();
  const int senders = std::max(1, kSendersAll / replicas);
  const int receivers = deep ? 1 : std::max(1, kReceiversAll / replicas);
  Load load({.queues = Queues(deep),
             .seed = seed,
             .key_prefix = absl::StrCat("r", round, "-"),
             .senders = senders,
             .receivers = receivers,
             .backlog_max = deep ? kDeepBacklog : kBacklog},
            cluster_->endpoint(0), ledger);
  absl::Status status = load.CreateQueues(absl::Now() + kRecovery);
  if (status.ok()) {
    load.Start();
    for (int i = 1; i < replicas; ++i) {
      load.StartMore(cluster_->endpoint(i), senders, deep ? 0 : receivers);
    }
    status = Torment(load, ledger);
  }
  if (status.ok()) status = cluster_->Heal();
  load.Stop();
  if (status.ok()) {
    status = load.Drain(kDrain);
    status = status.ok() ? Judge(load, ledger) : WithWhatIsCertain(status, ledger);
  }
  return status.ok() ? status : Keep(status, ledger, seed);
}

absl::Status Chaos::Torment(Load& load, Ledger& ledger) {
  const absl::Duration until = load.Now() + options_.round_time;
  while (load.Now() < until) {
    WEIR_RETURN_IF_ERROR(cluster_->Run(Between(absl::Milliseconds(50), absl::Seconds(1))));
    std::vector<Fault> faults;
    faults.push_back(MakeFault(Deal()));
    if (absl::Bernoulli(gen_, 0.25)) faults.push_back(MakeFault(Deal()));
    if (faults.size() == 2 && !MayMeet(faults[0], faults[1])) faults.pop_back();
    WEIR_RETURN_IF_ERROR(OneByOne(faults, load, ledger));
    if (load.AwaitProgress(kProgress, kRecovery)) continue;
    return absl::DeadlineExceededError(
        absl::StrCat("Sends do not succeed any more after: ", faults.back().what, "\n",
                     cluster_->Outputs()));
  }
  return absl::OkStatus();
}

// Begins one after the other and ends them in the opposite order, each after its time.
absl::Status Chaos::OneByOne(std::vector<Fault>& faults, Load& load, Ledger& ledger) {
  std::vector<absl::Duration> starts;
  for (const Fault& fault : faults) {
    starts.push_back(load.Now());
    std::printf("%8.3f  %s, for %s\n", absl::ToDoubleSeconds(starts.back()), fault.what.c_str(),
                absl::FormatDuration(fault.lasts).c_str());
    std::fflush(stdout);
    WEIR_RETURN_IF_ERROR(fault.begin());
  }
  for (size_t i = faults.size(); i-- > 0;) {
    WEIR_RETURN_IF_ERROR(cluster_->Run(faults[i].lasts));
    WEIR_RETURN_IF_ERROR(faults[i].end());
    ledger.Fault(faults[i].what, {starts[i], load.Now()});
  }
  return absl::OkStatus();
}

absl::Status Chaos::Judge(const Load& load, const Ledger& ledger) {
  std::printf("%s\n", Describe(ledger.totals()).c_str());
  std::string unexpected;
  for (const auto& [name, count] : load.errors()) {
    std::printf("  %s: %ld\n", name.c_str(), static_cast<long>(count));
    if (!IsExpected(name)) absl::StrAppend(&unexpected, " ", name, " (", count, " times)");
  }
  std::fflush(stdout);
  const std::string broken = Describe(ledger.Check());
  if (!broken.empty()) return absl::DataLossError(broken);
  if (!unexpected.empty()) {
    return absl::InternalError(absl::StrCat("No fault excuses these errors:", unexpected));
  }
  return absl::OkStatus();
}

absl::Status Chaos::Keep(const absl::Status& failure, const Ledger& ledger, uint64_t seed) {
  const std::string path = options_.folder + "/history.txt";
  const absl::Status written = ledger.WriteHistory(path);
  return absl::Status(
      failure.code(),
      absl::StrCat(failure.message(), "\nseed ", seed, "; ",
                   written.ok() ? absl::StrCat("history in ", path) : std::string(written.message()),
                   "; logs in ", options_.folder, "; again: weir-chaos --rounds 1 --seed ", seed));
}

}  // namespace weir
