// The streams of a service that are open, so that a graceful stop can end them: unlike calls, they do not end by themselves.
//
// Thread-safe. Locks: this class's before a stream's.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "libs/base/mutex.h"

namespace weir::grpcx {

class OpenStreams {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // Accept no more, answer what was accepted, end with SHUTTING_DOWN. Must not block.
    virtual void Drain() = 0;
  };

  // False: the service is stopping, so the stream must end at once.
  bool Add(Stream& stream);
  // No effect on one that is not there. Afterwards it is not drained any more.
  void Remove(Stream& stream);
  // Drains all streams, and refuses those that come later. Does not wait for them.
  void Drain();

 private:
  Mutex mu_;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mu_);
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace weir::grpcx
