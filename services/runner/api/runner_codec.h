// Core types to and from the wire.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/runner/core/types.h"
#include "services/runner/engine/invoker.h"
#include "services/runner/mappings/mapping_manager.h"
#include "services/runner/store/runner_store.h"
#include "weir/runner/v1/event_source_mapping.pb.h"
#include "weir/runner/v1/function.pb.h"
#include "weir/runner/v1/invocation.pb.h"

namespace weir::runner::api {

void EncodeFunction(const core::Function& function, v1::Function& out);
void EncodeCode(const core::FunctionCode& code, v1::FunctionCode& out);
// MISSING_PARAMETER when neither files nor a zip are there; what they hold is checked by engine::CheckCode.
absl::StatusOr<core::FunctionCode> DecodeCode(const v1::FunctionCode& code);

void EncodeInvocation(const core::InvocationResult& result, bool with_log_tail, v1::Invocation& out);
void EncodeLogLine(const store::StoredLogLine& stored, v1::LogLine& out);
void EncodeRuntime(const engine::RuntimeInfo& runtime, v1::Runtime& out);
void EncodeMapping(const core::Mapping& mapping, const mappings::MappingReport& report,
                   v1::EventSourceMapping& out);


}  // namespace weir::runner::api
