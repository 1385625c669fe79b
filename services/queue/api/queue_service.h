// The gRPC service: a dispatcher. What a call does stands in the file of its name.
#pragma once

#include "services/queue/api/calls.h"
#include "weir/queue/v1/queue_service.grpc.pb.h"

namespace weir::queue::api {

class QueueServiceImpl final : public v1::QueueService::CallbackService {
 public:
  // `context` must outlive the service.
  explicit QueueServiceImpl(Context& context) : context_(context) {}

#define WEIR_DISPATCH_CALL(Name)                                                   \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* grpc_context,        \
                                 const v1::Name##Request* request,                 \
                                 v1::Name##Response* response) override {          \
    return api::Name(context_, grpc_context, *request, *response);                 \
  }
  WEIR_QUEUE_CALLS(WEIR_DISPATCH_CALL)
#undef WEIR_DISPATCH_CALL

  grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceResponse>* Produce(
      grpc::CallbackServerContext* grpc_context) override {
    return api::Produce(context_, grpc_context);
  }
  grpc::ServerBidiReactor<v1::ConsumeRequest, v1::ConsumeResponse>* Consume(
      grpc::CallbackServerContext* grpc_context) override {
    return api::Consume(context_, grpc_context);
  }

 private:
  Context& context_;
};

}  // namespace weir::queue::api
