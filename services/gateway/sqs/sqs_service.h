// SQS in front of a queue service: each operation is one gRPC call, made without a thread of its own.
#pragma once

#include <memory>
#include <string>

#include "services/gateway/sqs/call.h"
#include "services/gateway/wire/service.h"

namespace grpc {
class Channel;
}

namespace weir::gateway::sqs {

// `channel` leads to the queue service. The destructor ends the calls that still run, and waits for them.
std::unique_ptr<wire::Service> MakeSqsService(const std::shared_ptr<grpc::Channel>& channel, const SqsOptions& options);

}  // namespace weir::gateway::sqs
