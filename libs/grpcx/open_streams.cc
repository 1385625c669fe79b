#include "libs/grpcx/open_streams.h"

namespace weir::grpcx {

bool OpenStreams::Add(Stream& stream) {
  MutexLock lock(&mu_);
  if (draining_) return false;
  streams_.insert(&stream);
  return true;
}

void OpenStreams::Remove(Stream& stream) {
  MutexLock lock(&mu_);
  streams_.erase(&stream);
}

void OpenStreams::Drain() {
  MutexLock lock(&mu_);
  draining_ = true;
  for (Stream* stream : streams_) stream->Drain();
}

}  // namespace weir::grpcx
