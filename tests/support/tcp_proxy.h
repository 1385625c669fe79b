// A TCP proxy between two parts of a system under test: the network, with its faults.
//
// It listens on a port of 127.0.0.1 that it keeps, and carries bytes to one target and back. What goes wrong is told by calls, which hold
// when they return: delays, connections that are reset, and partitions, in which connections stay open and nothing arrives. As on a
// network, what was sent into a partition arrives late when it ends, unless its connections are cut first.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace weir {

class TcpProxy {
 public:
  enum class Way { kToTarget, kToClient, kBoth };

  // `target`: "127.0.0.1:PORT", or the path of a Unix socket. It need not be there: connections to it are then reset.
  static absl::StatusOr<std::unique_ptr<TcpProxy>> Start(std::string target);
  ~TcpProxy();

  int port() const { return port_; }
  std::string address() const;  // "127.0.0.1:PORT"

  // From now on, every byte takes so long, each way.
  void SetDelay(absl::Duration delay);
  // Resets all connections, those in a partition too. Bytes under way are lost.
  void Cut();
  // Resets a connection right after it has carried bytes to the target: they arrive, and the answer is lost. So for the next `count`
  // connections that carry any. 0: no more.
  void CutAfterRequests(int count);
  // A partition: nothing is carried that way. Where it keeps requests from the target, connections made in it wait outside.
  void Block(Way way);
  // Ends partitions and delays.
  void Heal();

  // Connections that were reset by Cut and CutAfterRequests.
  int64_t cuts() const;
  int64_t connections() const;  // open now
  int64_t bytes_carried() const;

 private:
  struct Chunk {
    absl::Duration due;
    std::string bytes;
  };
  // One way of one connection.
  struct Half {
    std::list<Chunk> waiting;
    size_t waiting_bytes = 0;
    bool ended = false;     // the source has sent its last byte
    bool finished = false;  // the other side knows
  };
  struct Connection {
    int client = -1;
    int target = -1;
    Half to_target;
    Half to_client;
    bool dead = false;
  };
  struct Polled;

  TcpProxy(std::string target, int listener, int port);
  void Run();
  // What the loop does between two waits.
  // Connections that wait outside of a partition.
  void RefuseWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Accept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Carry(Connection& connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False: the connection is broken.
  bool Read(int from, Half& half, bool blocked) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Write(int to, Half& half, bool blocked, bool* carried) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Reset(Connection& connection);
  // What to wait for, and until when.
  void Collect(Polled& polled) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CollectHalf(const Half& half, bool blocked, short* source, short* sink, Polled& polled) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int ConnectToTarget() const;
  // Wakes the loop, which looks at what has changed.
  void Wake();

  const std::string target_;
  const int listener_;
  const int port_;
  const int wake_;  // an eventfd

  mutable Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool cut_ ABSL_GUARDED_BY(mu_) = false;
  int cut_after_requests_ ABSL_GUARDED_BY(mu_) = 0;
  bool block_to_target_ ABSL_GUARDED_BY(mu_) = false;
  bool block_to_client_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration delay_ ABSL_GUARDED_BY(mu_);
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
  int64_t cuts_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t bytes_carried_ ABSL_GUARDED_BY(mu_) = 0;

  std::thread thread_;
};

}  // namespace weir
