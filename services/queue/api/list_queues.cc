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
  auto queues = context.engine.registry().List(ns.account, ns.region, request.name_prefix(), after,
                                               static_cast<size_t>(page_size) + 1);
  if (queues.size() > static_cast<size_t>(page_size)) {
    queues.pop_back();
    response.set_next_page_token(grpcx::FormatPageToken(queues.back()->record.name.name, query));
  }
  for (const engine::QueueInfoPtr& queue : queues) EncodeQueue(*queue, *response.add_queues());
  if (!request.include_stats()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::vector<core::PartitionStats> stats,
                        context.engine.Stats(queues, deadline));
  for (int i = 0; i < response.queues_size(); ++i) {
    EncodeStats(stats[static_cast<size_t>(i)], context.clock.Now(),
                *response.mutable_queues(i)->mutable_stats());
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
