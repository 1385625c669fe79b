#include "services/queue/api/partitions.h"

#include <memory>

#include "libs/base/mutex.h"
#include "services/queue/engine/partitioning.h"

namespace weir::queue::api {
namespace {

// The replies that have come.
struct Gathered {
  Mutex mu;
  std::vector<core::Reply> replies ABSL_GUARDED_BY(mu);
  size_t left ABSL_GUARDED_BY(mu) = 0;
  absl::AnyInvocable<void(std::vector<core::Reply>)> done;  // called by whoever brings the last

  void Put(size_t i, core::Reply reply) {
    std::vector<core::Reply> all;
    {
      MutexLock lock(&mu);
      replies[i] = std::move(reply);
      if (--left > 0) return;
      all = std::move(replies);
    }
    done(std::move(all));
  }
};

}  // namespace

size_t PartitionForSend(engine::QueueEngine& engine, const engine::QueueInfo& queue,
                        absl::string_view message_group_id) {
  const size_t partitions = queue.record.partitions.size();
  if (partitions == 1) return 0;
  if (queue.config->fifo) return engine::PartitionOfGroup(message_group_id, partitions);
  return engine.NextTurn() % partitions;
}

void SubmitAll(engine::QueueEngine& engine, std::vector<AddressedCommand> commands,
               absl::AnyInvocable<void(std::vector<core::Reply>)> done) {
  auto gathered = std::make_shared<Gathered>();
  {
    MutexLock lock(&gathered->mu);
    gathered->left = commands.size();
    gathered->replies.resize(commands.size());
    gathered->done = std::move(done);
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    auto& [shard, command] = commands[i];
    const absl::Status submitted = engine.shard(shard)
                                       .Submit(std::move(command),
                                               [gathered, i](core::Reply reply) {
                                                 gathered->Put(i, std::move(reply));
                                                 return true;
                                               })
                                       .status();
    if (!submitted.ok()) gathered->Put(i, submitted);
  }
}

}  // namespace weir::queue::api
