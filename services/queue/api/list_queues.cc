#include "absl/strings/str_cat.h"
#include "services/queue/api/calls.h"
#include "libs/grpcx/page_token.h"
#include "services/queue/api/queue_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

constexpr int32_t kPageMax = 1000;

absl::Status Run(Context& context, const v1::ListQueuesRequest& request,
                 v1::ListQueuesResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(const store::QueueName ns,
                        CheckNamespace(request.namespace_(), "namespace"));
  WEIR_ASSIGN_OR_RETURN(const int32_t page_size,
                        CheckCount(request.page_size(), "page_size", 1, kPageMax, kPageMax));
  const std::string query =
      absl::StrCat("ListQueues/", ns.account, "/", ns.region, "/", request.name_prefix());
  WEIR_ASSIGN_OR_RETURN(const std::string after, grpcx::ParsePageToken(request.page_token(), query));
  // One more than the page holds tells whether there is a next one.
  const auto queues =
      context.engine.registry().List(ns.account, ns.region, request.name_prefix(), after,
                                     static_cast<size_t>(page_size) + 1);
  for (const engine::QueueInfoPtr& queue : queues) {
    if (response.queues_size() == page_size) {
      response.set_next_page_token(
          grpcx::FormatPageToken(response.queues(page_size - 1).name(), query));
      break;
    }
    v1::Queue& out = *response.add_queues();
    EncodeQueue(*queue, out);
    if (!request.include_stats()) continue;
    WEIR_ASSIGN_OR_RETURN(const core::PartitionStats stats, context.engine.Stats(*queue, deadline));
    EncodeStats(stats, context.clock.Now(), *out.mutable_stats());
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ListQueues(Context& context, grpc::CallbackServerContext* grpc_context,
                                     const v1::ListQueuesRequest& request,
                                     v1::ListQueuesResponse& response) {
  return RunBlocking(context, grpc_context, "ListQueues",
                     [&](absl::Time deadline) { return Run(context, request, response, deadline); });
}

}  // namespace weir::queue::api
