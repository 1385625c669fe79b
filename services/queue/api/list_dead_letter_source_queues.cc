#include "absl/strings/str_cat.h"
#include "services/queue/api/calls.h"
#include "libs/grpcx/page_token.h"
#include "services/queue/api/queue_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

constexpr int32_t kPageMax = 1000;

absl::Status Run(Context& context, const v1::ListDeadLetterSourceQueuesRequest& request,
                 v1::ListDeadLetterSourceQueuesResponse& response) {
  WEIR_ASSIGN_OR_RETURN(const engine::QueueInfoPtr queue, FindQueue(context, request.queue()));
  WEIR_ASSIGN_OR_RETURN(const int32_t page_size,
                        CheckCount(request.page_size(), "page_size", 1, kPageMax, kPageMax));
  const std::string query = absl::StrCat("ListDeadLetterSourceQueues/", queue->arn);
  WEIR_ASSIGN_OR_RETURN(const std::string after, grpcx::ParsePageToken(request.page_token(), query));
  const auto sources = context.engine.registry().DeadLetterSources(
      queue->arn, after, static_cast<size_t>(page_size) + 1);
  for (const engine::QueueInfoPtr& source : sources) {
    if (response.queues_size() == page_size) {
      response.set_next_page_token(
          grpcx::FormatPageToken(response.queues(page_size - 1).name(), query));
      break;
    }
    EncodeQueue(*source, *response.add_queues());
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ListDeadLetterSourceQueues(
    Context& context, grpc::CallbackServerContext* grpc_context,
    const v1::ListDeadLetterSourceQueuesRequest& request,
    v1::ListDeadLetterSourceQueuesResponse& response) {
  return RunBlocking(context, grpc_context, "ListDeadLetterSourceQueues",
                     [&](absl::Time deadline) { return Run(context, request, response); });
}

}  // namespace weir::queue::api
