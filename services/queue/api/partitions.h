// What the calls have in common about queues that are spread over partitions: which one has what, and commands to several at once.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "services/queue/api/call.h"
#include "services/queue/core/command.h"

namespace weir::queue::api {

// Which of the queue's partitions takes a message: in a FIFO queue that of its group, else the next one in turn.
size_t PartitionForSend(engine::QueueEngine& engine, const engine::QueueInfo& queue,
                        absl::string_view message_group_id);

// Hands each command to its shard, and calls `done` once all are answered, with the replies in the order of the commands: on any
// thread, possibly before this returns. A command that is refused at once has its status for a reply.
using AddressedCommand = std::pair<core::ShardId, core::Command>;
void SubmitAll(engine::QueueEngine& engine, std::vector<AddressedCommand> commands,
               absl::AnyInvocable<void(std::vector<core::Reply>)> done);

// The entries of a batch by the partition that they are for: a command for each. `Command` has a member `partition`.
template <typename Command>
class BatchParts {
 public:
  // The command that carries entry `entry`, which the caller adds to it. The first for a partition comes with the partition set only.
  Command& PartFor(const core::PartitionAddress& address, size_t entry) {
    for (Part& part : parts_) {
      if (part.command.partition != address.partition) continue;
      part.entries.push_back(entry);
      return part.command;
    }
    Part& part = parts_.emplace_back(Part{.shard = address.shard, .command = {}, .entries = {entry}});
    part.command.partition = address.partition;
    return part.command;
  }
  bool empty() const { return parts_.empty(); }

  std::vector<AddressedCommand> TakeCommands() {
    std::vector<AddressedCommand> commands;
    for (Part& part : parts_) commands.emplace_back(part.shard, std::move(part.command));
    return commands;
  }

  // Hands each part its reply: `each(entries, StatusOr<Expected>)`, the entries in the order of the command. When no part was carried
  // out nothing was, so the batch has failed: its status, and `each` is not called.
  template <typename Expected, typename Each>
  absl::Status Distribute(std::vector<core::Reply> replies, Each each) const {
    std::vector<absl::StatusOr<Expected>> taken;
    absl::Status failure;
    size_t failed = 0;
    for (core::Reply& reply : replies) {
      taken.push_back(TakeReply<Expected>(std::move(reply)));
      if (taken.back().ok()) continue;
      ++failed;
      failure = taken.back().status();
    }
    if (failed == parts_.size()) return failure;
    for (size_t i = 0; i < parts_.size(); ++i) each(parts_[i].entries, taken[i]);
    return absl::OkStatus();
  }

 private:
  struct Part {
    core::ShardId shard;
    Command command;
    std::vector<size_t> entries;
  };
  std::vector<Part> parts_;
};

}  // namespace weir::queue::api
