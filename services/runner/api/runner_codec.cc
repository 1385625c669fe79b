#include "services/runner/api/runner_codec.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/error.h"
#include "services/runner/api/validation.h"

namespace weir::runner::api {
namespace {

using google::protobuf::util::TimeUtil;

google::protobuf::Duration ToProto(absl::Duration duration) {
  return TimeUtil::MicrosecondsToDuration(absl::ToInt64Microseconds(duration));
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  return TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(time));
}

v1::InvocationOutcome ToProto(core::InvocationOutcome outcome) {
  switch (outcome) {
    case core::InvocationOutcome::kSucceeded:
      return v1::INVOCATION_OUTCOME_SUCCEEDED;
    case core::InvocationOutcome::kHandledError:
      return v1::INVOCATION_OUTCOME_HANDLED_ERROR;
    case core::InvocationOutcome::kUnhandledError:
      return v1::INVOCATION_OUTCOME_UNHANDLED_ERROR;
  }
  return v1::INVOCATION_OUTCOME_UNSPECIFIED;
}

v1::LogStream ToProto(core::LogStream stream) {
  switch (stream) {
    case core::LogStream::kStdout:
      return v1::LOG_STREAM_STDOUT;
    case core::LogStream::kStderr:
      return v1::LOG_STREAM_STDERR;
    case core::LogStream::kPlatform:
      return v1::LOG_STREAM_PLATFORM;
  }
  return v1::LOG_STREAM_UNSPECIFIED;
}

v1::EventSourceMappingState ToProto(mappings::MappingState state) {
  switch (state) {
    case mappings::MappingState::kEnabled:
      return v1::EVENT_SOURCE_MAPPING_STATE_ENABLED;
    case mappings::MappingState::kDisabled:
      return v1::EVENT_SOURCE_MAPPING_STATE_DISABLED;
    case mappings::MappingState::kDisabling:
      return v1::EVENT_SOURCE_MAPPING_STATE_DISABLING;
  }
  return v1::EVENT_SOURCE_MAPPING_STATE_UNSPECIFIED;
}

}  // namespace

void EncodeFunction(const core::Function& function, v1::Function& out) {
  out.mutable_namespace_()->set_account(function.name.account);
  out.mutable_namespace_()->set_region(function.name.region);
  out.set_name(function.name.name);
  out.set_arn(core::FunctionArn(function.name));
  v1::FunctionConfiguration& config = *out.mutable_configuration();
  config.set_runtime(function.config.runtime);
  config.set_handler(function.config.handler);
  *config.mutable_timeout() = ToProto(function.config.timeout);
  config.set_memory_mib(function.config.memory_mib);
  config.mutable_environment();
  for (const auto& [name, value] : function.config.environment) {
    (*config.mutable_environment()->mutable_variables())[name] = value;
  }
  config.set_concurrency_limit(function.config.concurrency_limit);
  config.set_description(function.config.description);
  out.set_code_sha256(function.code_sha256);
  out.set_code_bytes(function.code_bytes);
  out.set_revision(function.revision.value());
  *out.mutable_created_at() = ToProto(function.created_at);
  *out.mutable_modified_at() = ToProto(function.modified_at);
}

void EncodeCode(const core::FunctionCode& code, v1::FunctionCode& out) {
  if (code.kind == core::FunctionCode::Kind::kZip) {
    out.set_zip(code.zip);
    return;
  }
  auto& files = *out.mutable_inline_files()->mutable_files();
  for (const auto& [path, content] : code.files) files[path] = content;
}

absl::StatusOr<core::FunctionCode> DecodeCode(const v1::FunctionCode& code) {
  core::FunctionCode out;
  switch (code.code_case()) {
    case v1::FunctionCode::kInlineFiles: {
      const auto& files = code.inline_files().files();
      out.kind = core::FunctionCode::Kind::kInlineFiles;
      out.files = std::map<std::string, std::string>(files.begin(), files.end());
      return out;
    }
    case v1::FunctionCode::kZip:
      out.kind = core::FunctionCode::Kind::kZip;
      out.zip = code.zip();
      return out;
    case v1::FunctionCode::CODE_NOT_SET:
      break;
  }
  return MissingField("code", "have inline_files or a zip");
}

void EncodeInvocation(const core::InvocationResult& result, bool with_log_tail,
                      v1::Invocation& out) {
  out.set_request_id(result.request_id);
  out.set_outcome(ToProto(result.outcome));
  out.set_payload(result.payload);
  *out.mutable_duration() = ToProto(result.duration);
  if (result.init_duration.has_value()) {
    *out.mutable_init_duration() = ToProto(*result.init_duration);
  }
  out.set_max_memory_used_mib(result.max_memory_used_mib);
  out.set_function_revision(result.revision.value());
  if (with_log_tail) out.set_log_tail(result.log_tail);
}

void EncodeLogLine(const store::StoredLogLine& stored, v1::LogLine& out) {
  out.set_position(stored.position);
  *out.mutable_logged_at() = ToProto(stored.line.logged_at);
  out.set_request_id(stored.line.request_id);
  out.set_stream(ToProto(stored.line.stream));
  out.set_text(stored.line.text);
}

void EncodeRuntime(const engine::RuntimeInfo& runtime, v1::Runtime& out) {
  out.set_name(runtime.name);
  out.set_interpreter(runtime.interpreter);
  out.set_version(runtime.version);
  out.set_available(runtime.available);
  out.set_unavailable_reason(runtime.unavailable_reason);
}

void EncodeMapping(const core::Mapping& mapping, const mappings::MappingReport& report,
                   v1::EventSourceMapping& out) {
  const core::FunctionName& function = mapping.function_name;
  out.set_uuid(mapping.uuid);
  out.set_arn(absl::StrCat("arn:aws:lambda:", function.region, ":", function.account,
                           ":event-source-mapping:", mapping.uuid));
  out.set_function_arn(core::FunctionArn(function));
  out.set_event_source_arn(mapping.event_source_arn);
  v1::EventSourceMappingConfiguration& config = *out.mutable_configuration();
  config.set_batch_size(mapping.config.batch_size);
  *config.mutable_maximum_batching_window() = ToProto(mapping.config.maximum_batching_window);
  config.set_enabled(mapping.config.enabled);
  config.set_maximum_concurrency(mapping.config.maximum_concurrency);
  config.set_report_batch_item_failures(mapping.config.report_batch_item_failures);
  out.set_state(ToProto(report.state));
  out.set_state_reason(report.state_reason);
  out.set_last_processing_result(report.last_processing_result);
  *out.mutable_created_at() = ToProto(mapping.created_at);
  *out.mutable_modified_at() = ToProto(mapping.modified_at);
}

}  // namespace weir::runner::api
