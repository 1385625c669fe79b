// The gRPC service for operators: who serves what.
#pragma once

#include "services/queue/api/call.h"
#include "weir/queue/v1/cluster_service.grpc.pb.h"

namespace weir::queue::api {

class ClusterServiceImpl final : public v1::ClusterService::CallbackService {
 public:
  // `context` must outlive the service.
  explicit ClusterServiceImpl(Context& context) : context_(context) {}

  grpc::ServerUnaryReactor* GetClusterStatus(grpc::CallbackServerContext* grpc_context,
                                             const v1::GetClusterStatusRequest* request,
                                             v1::GetClusterStatusResponse* response) override;

 private:
  Context& context_;
};

}  // namespace weir::queue::api
