// Clients, a cluster, and everything that can go wrong with it, in a random order that a seed repeats.
//
// A run is made of rounds. Each keeps the queues busy while faults come and go, one or two at a time; after each the service must get
// going again by itself. Then all is healed, the queues are drained, and the ledger says whether a promise was broken. Kinds of faults
// are dealt like cards, so each comes before any comes again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/fault/load.h"
#include "tests/fault/test_cluster.h"
#include "tests/support/ledger.h"

namespace weir {

class Chaos {
 public:
  struct Options {
    std::string folder;  // short; holds PostgreSQL's data, logs and, after a failure, the history
    uint64_t seed = 0;   // of the first round; the next ones have the numbers that follow
    int rounds = 1;
    absl::Duration round_time = absl::Minutes(1);  // of faults; the drain comes on top
    int replicas = 1;
    bool fifo = true;  // FIFO queues among the others
  };
  explicit Chaos(Options options) : options_(std::move(options)) {}

  // Tells on stdout what it does. An error says what failed first, and where the history is kept.
  absl::Status Run();

 private:
  // Something that goes wrong, for a while.
  struct Fault {
    std::string what;
    absl::Duration lasts;
    std::string touches;          // two of them never touch the same
    bool restarts = false;        // its end starts a program
    bool hinders_starts = false;  // programs cannot start meanwhile
    std::function<absl::Status()> begin;
    std::function<absl::Status()> end;
  };
  enum class Kind {
    kKill,
    kInterrupt,
    kPauseShort,
    kPauseBeyondLease,
    kPostgresFast,
    kPostgresImmediate,
    kPostgresKill,
    kCutPostgres,
    kCutPostgresInRequest,
    kDelayPostgres,
    kPartitionPostgres,
    kCutPeers,
    kDelayPeers,
    kPartitionPeers,
  };

  absl::Status RunRound(int round);
  // Faults until the round's time is over.
  absl::Status Torment(Load& load, Ledger& ledger);
  absl::Status OneByOne(std::vector<Fault>& faults, Load& load, Ledger& ledger);
  absl::Status Judge(const Load& load, const Ledger& ledger);
  // Writes down what happened; answers `failure` with where that is.
  absl::Status Keep(const absl::Status& failure, const Ledger& ledger, uint64_t seed);

  static bool MayMeet(const Fault& a, const Fault& b);
  // The next card, and what it means this time.
  Kind Deal();
  Fault MakeFault(Kind kind);
  Fault PostgresFault(TestCluster::PostgresEnd way);
  Fault ReplicaFault(Kind kind, int replica);
  Fault CutFault(Kind kind, int replica);
  Fault NetworkFault(Kind kind, int replica);
  absl::Duration Between(absl::Duration from, absl::Duration to);
  std::vector<LoadQueue> Queues(bool deep) const;

  const Options options_;
  std::mt19937_64 gen_;
  std::vector<Kind> deck_;
  std::unique_ptr<TestCluster> cluster_;
};

}  // namespace weir
