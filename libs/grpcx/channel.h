// Client channels with the settings that Weir's services expect.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace weir::grpcx {

struct ChannelOptions {
  int max_message_bytes = 64 << 20;
  // A connection of its own rather than one shared by all channels of the process to the same address.
  bool own_connection = false;
};

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const ChannelOptions& options = {});

}  // namespace weir::grpcx
