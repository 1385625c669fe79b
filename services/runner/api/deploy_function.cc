#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "services/runner/api/calls.h"
#include "services/runner/api/runner_codec.h"
#include "services/runner/api/validation.h"
#include "services/runner/engine/function_code.h"

namespace weir::runner::api {
namespace {

// How often somebody else may be faster before we tell the caller so.
constexpr int kTries = 10;

struct Deployment {
  core::FunctionName name;
  const v1::DeployFunctionRequest& request;
  std::optional<core::FunctionCode> code;
  std::string code_sha256;  // of `code`
};

absl::Status CheckRuntime(const Context& context, const std::string& runtime) {
  std::vector<std::string> available;
  for (const engine::RuntimeInfo& info : context.invoker.runtimes()) {
    if (info.available && info.name == runtime) return absl::OkStatus();
    if (info.available) available.push_back(info.name);
  }
  return MakeError(ErrorReason::kRuntimeUnavailable,
                   absl::StrCat("Value \"", runtime,
                                "\" for configuration.runtime is not available here; available: ",
                                available.empty() ? "none" : absl::StrJoin(available, ", "), "."),
                   {{"runtime", runtime}, {"available", absl::StrJoin(available, ",")}});
}

absl::Status RevisionMismatch(const Deployment& deployment, int64_t revision) {
  return MakeError(
      ErrorReason::kFunctionRevisionMismatch,
      absl::StrCat("Value ", deployment.request.expected_revision(),
                   " for expected_revision does not hold: function \"", deployment.name.name,
                   revision == 0 ? "\" does not exist." : absl::StrCat("\" is at revision ", revision, ".")),
      {{"function", deployment.name.name}, {"revision", absl::StrCat(revision)}});
}

void SetCode(const Deployment& deployment, core::Function& function) {
  if (!deployment.code.has_value()) return;
  function.code_sha256 = deployment.code_sha256;
  function.code_bytes = engine::CodeBytes(*deployment.code);
}

// FUNCTION_ALREADY_EXISTS: somebody else has created it meanwhile.
absl::StatusOr<core::Function> Create(Context& context, const Deployment& deployment,
                                      absl::Time deadline) {
  if (deployment.request.has_expected_revision()) return RevisionMismatch(deployment, 0);
  const v1::FunctionConfiguration& configuration = deployment.request.configuration();
  if (!configuration.has_runtime()) {
    return MissingField("configuration.runtime", "name a runtime for a new function");
  }
  if (!configuration.has_handler()) {
    return MissingField("configuration.handler", "name a handler for a new function");
  }
  if (!deployment.code.has_value()) return MissingField("code", "have the code of a new function");
  core::Function function{.name = deployment.name, .revision = core::Revision(1)};
  WEIR_ASSIGN_OR_RETURN(function.config,
                        ApplyConfiguration(configuration, core::FunctionConfig()));
  WEIR_RETURN_IF_ERROR(CheckRuntime(context, function.config.runtime));
  SetCode(deployment, function);
  function.created_at = context.clock.Now();
  function.modified_at = function.created_at;
  return context.functions.CreateFunction(std::move(function), *deployment.code, deadline);
}

// CONCURRENT_MODIFICATION: somebody else has changed it meanwhile.
absl::StatusOr<core::Function> Update(Context& context, const Deployment& deployment,
                                      const core::Function& current, absl::Time deadline) {
  const v1::DeployFunctionRequest& request = deployment.request;
  if (request.has_expected_revision() &&
      request.expected_revision() != current.revision.value()) {
    return RevisionMismatch(deployment, current.revision.value());
  }
  core::Function changed = current;
  WEIR_ASSIGN_OR_RETURN(changed.config,
                        ApplyConfiguration(request.configuration(), current.config));
  WEIR_RETURN_IF_ERROR(CheckRuntime(context, changed.config.runtime));
  const bool new_code =
      deployment.code.has_value() && deployment.code_sha256 != current.code_sha256;
  if (!new_code && changed.config == current.config) return current;
  SetCode(deployment, changed);
  changed.revision = current.revision.Next();
  changed.modified_at = context.clock.Now();
  WEIR_RETURN_IF_ERROR(context.functions.UpdateFunction(
      changed, new_code ? &*deployment.code : nullptr, deadline));
  context.invoker.Retire(changed.id, changed.revision);
  return changed;
}

absl::StatusOr<core::Function> Deploy(Context& context, const Deployment& deployment, bool& created,
                                      absl::Time deadline) {
  const v1::DeployMode mode = deployment.request.mode();
  for (int tries = 1;; ++tries) {
    const auto current = context.functions.FindFunction(deployment.name, deadline);
    created = ReasonOf(current.status()) == ErrorReason::kFunctionDoesNotExist;
    if (!current.ok() && (!created || mode == v1::DEPLOY_MODE_UPDATE)) return current.status();
    if (current.ok() && mode == v1::DEPLOY_MODE_CREATE) {
      return MakeError(ErrorReason::kFunctionAlreadyExists,
                       absl::StrCat("Function \"", deployment.name.name,
                                    "\" exists already, and mode is DEPLOY_MODE_CREATE."),
                       {{"function", deployment.name.name}});
    }
    auto deployed = created ? Create(context, deployment, deadline)
                            : Update(context, deployment, **current, deadline);
    const ErrorReason reason = ReasonOf(deployed.status());
    const bool overtaken = reason == ErrorReason::kConcurrentModification ||
                           (reason == ErrorReason::kFunctionAlreadyExists && created);
    if (!overtaken || tries == kTries) return deployed;
  }
}

absl::Status Run(Context& context, const v1::DeployFunctionRequest& request,
                 v1::DeployFunctionResponse& response, absl::Time deadline) {
  WEIR_ASSIGN_OR_RETURN(core::FunctionName name, CheckFunctionRef(request.function(), "function"));
  if (!v1::DeployMode_IsValid(request.mode())) {
    return InvalidField("mode", absl::StrCat(request.mode()),
                        "must be DEPLOY_MODE_UNSPECIFIED, DEPLOY_MODE_CREATE or DEPLOY_MODE_UPDATE");
  }
  if (request.has_expected_revision() && request.expected_revision() < 1) {
    return InvalidField("expected_revision", absl::StrCat(request.expected_revision()),
                        "revisions start at 1");
  }
  // Said before anything about what is stored.
  WEIR_RETURN_IF_ERROR(
      ApplyConfiguration(request.configuration(), core::FunctionConfig()).status());
  Deployment deployment{.name = std::move(name), .request = request};
  if (request.has_code()) {
    WEIR_ASSIGN_OR_RETURN(deployment.code, DecodeCode(request.code()));
    WEIR_RETURN_IF_ERROR(engine::CheckCode(*deployment.code));
    deployment.code_sha256 = engine::CodeSha256(*deployment.code);
  }
  bool created = false;
  WEIR_ASSIGN_OR_RETURN(const core::Function function,
                        Deploy(context, deployment, created, deadline));
  EncodeFunction(function, *response.mutable_function());
  response.set_created(created);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* DeployFunction(Context& context, grpc::CallbackServerContext* grpc_context,
                                         const v1::DeployFunctionRequest& request,
                                         v1::DeployFunctionResponse& response) {
  return RunBlocking(context, grpc_context, "DeployFunction", [&](absl::Time deadline) {
    return Run(context, request, response, deadline);
  });
}

}  // namespace weir::runner::api
