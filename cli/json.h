// Resources as JSON documents. Names of fields are those of the protos; durations are numbers of seconds, and say so in their name;
// times are RFC 3339 in UTC. A field that has no value is null, so that every field is always there.
#pragma once

#include "cli/output.h"
#include "weir/queue/v1/message.pb.h"
#include "weir/queue/v1/queue.pb.h"
#include "weir/runner/v1/event_source_mapping.pb.h"
#include "weir/runner/v1/function.pb.h"
#include "weir/runner/v1/invocation.pb.h"

namespace weir::cli {

Json ToJson(const queue::v1::Queue& queue);
Json ToJson(const queue::v1::SentMessage& message);
Json ToJson(const queue::v1::ReceivedMessage& message);
Json ToJson(const queue::v1::MessageMoveTask& task);
Json ToJson(const queue::v1::MessageGroup& group);
Json ToJson(const runner::v1::Function& function);
Json ToJson(const runner::v1::Runtime& runtime);
Json ToJson(const runner::v1::EventSourceMapping& mapping);
Json ToJson(const runner::v1::LogLine& line);

// "ENABLED" of "EVENT_SOURCE_MAPPING_STATE_ENABLED".
std::string StateName(runner::v1::EventSourceMappingState state);
std::string StatusName(queue::v1::MessageMoveTaskStatus status);
std::string OutcomeName(runner::v1::InvocationOutcome outcome);

}  // namespace weir::cli
