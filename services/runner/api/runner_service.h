// The gRPC service: a dispatcher. What a call does stands in the file of its name.
#pragma once

#include "services/runner/api/calls.h"
#include "weir/runner/v1/runner_service.grpc.pb.h"

namespace weir::runner::api {

class RunnerServiceImpl final : public v1::RunnerService::CallbackService {
 public:
  // `context` must outlive the service.
  explicit RunnerServiceImpl(Context& context) : context_(context) {}

#define WEIR_DISPATCH_CALL(Name)                                            \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* grpc_context, \
                                 const v1::Name##Request* request,          \
                                 v1::Name##Response* response) override {   \
    return api::Name(context_, grpc_context, *request, *response);          \
  }
  WEIR_RUNNER_UNARY_CALLS(WEIR_DISPATCH_CALL)
#undef WEIR_DISPATCH_CALL

  grpc::ServerWriteReactor<v1::GetFunctionLogsResponse>* GetFunctionLogs(
      grpc::CallbackServerContext* grpc_context,
      const v1::GetFunctionLogsRequest* request) override {
    return api::GetFunctionLogs(context_, grpc_context, *request);
  }

 private:
  Context& context_;
};

}  // namespace weir::runner::api
