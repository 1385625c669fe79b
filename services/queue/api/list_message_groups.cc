#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/grpcx/page_token.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

constexpr int32_t kPageMax = 1000;
constexpr int32_t kPageDefault = 100;
// One page asks each of the queue's shards so often at most; a page may end before it is full, or empty, with a token that goes on.
constexpr int kAnswersAPage = 20;

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(time));
}

void EncodeGroup(engine::GroupsAnswer::Group group, bool fifo, v1::MessageGroup& out) {
  const core::GroupStatus& status = group.status;
  out.set_message_group_id(status.group);
  out.set_ready(status.ready);
  out.set_in_flight(status.in_flight);
  out.set_delayed(status.delayed);
  out.set_noisy(status.noisy);
  if (!fifo || !status.blocker.has_value()) return;
  v1::MessageGroupBlock& block = *out.mutable_blocked_by();
  block.set_message_id(std::move(group.blocker_id));
  if (status.blocker->since.has_value()) *block.mutable_since() = ToProto(*status.blocker->since);
  // One that is on its way to another queue has no end that is known.
  if (status.blocker->until != absl::InfiniteFuture()) {
    *block.mutable_until() = ToProto(status.blocker->until);
  }
  block.set_receive_count(status.blocker->receive_count);
  block.set_consumer(status.blocker->consumer);
}

// Adds what another partition has of the group. A FIFO queue's is in one partition only.
void AddTo(core::GroupStatus& sum, const core::GroupStatus& other) {
  sum.ready += other.ready;
  sum.in_flight += other.in_flight;
  sum.delayed += other.delayed;
  sum.noisy = sum.noisy || other.noisy;
}

// Asks the partitions one after the other for the same range of ids, puts together what they say, and goes on behind it until the page is
// full, there are no more groups or enough was looked at.
class ListMessageGroupsCall final : public grpcx::UnaryCall {
 public:
  ListMessageGroupsCall(Context& context, grpc::CallbackServerContext* grpc_context,
                        const v1::ListMessageGroupsRequest& request,
                        v1::ListMessageGroupsResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("ListMessageGroups")),
        context_(context),
        request_(request),
        response_(response) {
    Begin(
        context,
        [this] {
          absl::Status status = Prepare();
          if (status.ok()) Ask();
          return status;
        },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Prepare() {
    WEIR_ASSIGN_OR_RETURN(queue_, FindQueue(context_, request_.queue()));
    WEIR_ASSIGN_OR_RETURN(
        page_size_, CheckCount(request_.page_size(), "page_size", 1, kPageMax, kPageDefault));
    token_query_ = absl::StrCat("ListMessageGroups/", queue_->arn);
    WEIR_ASSIGN_OR_RETURN(query_.after, grpcx::ParsePageToken(request_.page_token(), token_query_));
    query_.blocked_only = request_.blocked_only();
    return absl::OkStatus();
  }

  void Ask() {
    const core::PartitionAddress& address = queue_->record.partitions[partition_];
    query_.partition = address.partition;
    query_.limit = page_size_ - response_.groups_size();
    context_.engine.shard(address.shard)
        .Query(query_, deadline(), [this](absl::StatusOr<engine::ShardAnswer> answer) {
          OnAnswer(std::move(answer));
        });
  }

  // On the shard's thread, or on another if its shard is served elsewhere.
  void OnAnswer(absl::StatusOr<engine::ShardAnswer> answer) {
    if (cancelled_.load()) return Finish(absl::CancelledError("The client cancelled the call."));
    if (!answer.ok()) return Finish(answer.status());
    Merge(std::get<engine::GroupsAnswer>(*std::move(answer)));
    if (++partition_ < queue_->record.partitions.size()) return Ask();
    partition_ = 0;
    std::optional<std::string> behind = TakeMerged();
    if (!behind.has_value()) return Finish(absl::OkStatus());
    if (response_.groups_size() == page_size_ || ++answers_ == kAnswersAPage) {
      response_.set_next_page_token(grpcx::FormatPageToken(*behind, token_query_));
      return Finish(absl::OkStatus());
    }
    query_.after = *std::move(behind);
    Ask();
  }

  void Merge(engine::GroupsAnswer answer) {
    for (engine::GroupsAnswer::Group& group : answer.groups) {
      const auto [it, is_new] = merged_.try_emplace(group.status.group, std::move(group));
      if (!is_new) AddTo(it->second.status, group.status);
    }
    if (!answer.looked_to.has_value()) return;
    if (!looked_to_.has_value() || *answer.looked_to < *looked_to_) looked_to_ = std::move(answer.looked_to);
  }

  // Puts into the page what all partitions have told of. The id behind which there may be more; unset: there is none.
  std::optional<std::string> TakeMerged() {
    std::optional<std::string> behind = std::exchange(looked_to_, std::nullopt);
    for (auto& [id, group] : std::exchange(merged_, {})) {
      if (behind.has_value() && id > *behind) break;
      if (response_.groups_size() == page_size_) {
        behind = response_.groups(page_size_ - 1).message_group_id();
        break;
      }
      EncodeGroup(std::move(group), queue_->config->fifo, *response_.add_groups());
    }
    return behind;
  }

  void OnCancel() override { cancelled_.store(true); }

  Context& context_;
  const v1::ListMessageGroupsRequest& request_;
  v1::ListMessageGroupsResponse& response_;
  engine::QueueInfoPtr queue_;
  std::string token_query_;
  int32_t page_size_ = 0;
  int answers_ = 0;
  size_t partition_ = 0;  // the one that is asked
  // What those that were asked before it have told, and how far all of them have looked.
  std::map<std::string, engine::GroupsAnswer::Group> merged_;
  std::optional<std::string> looked_to_;  // unset: to the end
  engine::GroupsQuery query_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace

grpc::ServerUnaryReactor* ListMessageGroups(Context& context,
                                            grpc::CallbackServerContext* grpc_context,
                                            const v1::ListMessageGroupsRequest& request,
                                            v1::ListMessageGroupsResponse& response) {
  return new ListMessageGroupsCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
