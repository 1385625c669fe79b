#include <atomic>
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
// One page asks the shard so often at most; a page may end before it is full, or empty, with a token that goes on.
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

// Asks the shard until the page is full, there are no more groups or enough was looked at.
class ListMessageGroupsCall final : public grpcx::UnaryCall {
 public:
  ListMessageGroupsCall(Context& context, grpc::CallbackServerContext* grpc_context,
                        const v1::ListMessageGroupsRequest& request,
                        v1::ListMessageGroupsResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("ListMessageGroups")),
        context_(context),
        request_(request),
        response_(response) {
    if (absl::Status status = Prepare(); !status.ok()) {
      Finish(status);
    } else {
      Ask();
    }
  }

 private:
  absl::Status Prepare() {
    WEIR_ASSIGN_OR_RETURN(queue_, FindQueue(context_, request_.queue()));
    WEIR_ASSIGN_OR_RETURN(
        page_size_, CheckCount(request_.page_size(), "page_size", 1, kPageMax, kPageDefault));
    token_query_ = absl::StrCat("ListMessageGroups/", queue_->arn);
    WEIR_ASSIGN_OR_RETURN(query_.after, grpcx::ParsePageToken(request_.page_token(), token_query_));
    query_.partition = queue_->address.partition;
    query_.blocked_only = request_.blocked_only();
    return absl::OkStatus();
  }

  void Ask() {
    query_.limit = page_size_ - response_.groups_size();
    context_.engine.shard(queue_->address.shard)
        .Ask(query_, [this](absl::StatusOr<engine::ShardAnswer> answer) {
          OnAnswer(std::move(answer));
        });
  }

  // On the shard's thread.
  void OnAnswer(absl::StatusOr<engine::ShardAnswer> answer) {
    if (cancelled_.load()) return Finish(absl::CancelledError("The client cancelled the call."));
    if (!answer.ok()) return Finish(answer.status());
    auto page = std::get<engine::GroupsAnswer>(*std::move(answer));
    for (engine::GroupsAnswer::Group& group : page.groups) {
      EncodeGroup(std::move(group), queue_->config->fifo, *response_.add_groups());
    }
    const bool ends = !page.looked_to.has_value() || response_.groups_size() == page_size_ ||
                      ++answers_ == kAnswersAPage;
    if (!ends) {
      query_.after = *std::move(page.looked_to);
      return Ask();
    }
    if (page.looked_to.has_value()) {
      response_.set_next_page_token(grpcx::FormatPageToken(*page.looked_to, token_query_));
    }
    Finish(absl::OkStatus());
  }

  void OnCancel() override { cancelled_.store(true); }

  Context& context_;
  const v1::ListMessageGroupsRequest& request_;
  v1::ListMessageGroupsResponse& response_;
  engine::QueueInfoPtr queue_;
  std::string token_query_;
  int32_t page_size_ = 0;
  int answers_ = 0;
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
