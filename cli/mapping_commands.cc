// weir mapping create|list|update|delete
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using runner::v1::EventSourceMapping;
using runner::v1::RunnerService;

struct MappingOptions {
  std::string uuid;
  std::string function;
  std::string queue;
  int batch_size = 10;
  absl::Duration batching_window = absl::ZeroDuration();
  int maximum_concurrency = 0;
  bool report_failures = false;
  bool enabled = true;
  CLI::App* command = nullptr;

  bool Given(const char* option) const { return command->count(option) > 0; }
};

std::string LastPart(const std::string& arn) { return arn.substr(arn.rfind(':') + 1); }

void AddConfigurationOptions(CLI::App& command, MappingOptions& options) {
  options.command = &command;
  command.add_option("--batch-size", options.batch_size,
                     "Messages for one invocation at most, 1 to 10000; above 10 needs a batching window")
      ->type_name("N")->capture_default_str();
  AddDuration(command, "--batching-window", options.batching_window,
              "How long to gather messages for a batch, 0s to 300s");
  command.add_option("--maximum-concurrency", options.maximum_concurrency,
                     "Batches at a time, 2 to 1000; 0: as many as the function may have")
      ->type_name("N")->capture_default_str();
  command.add_flag("--report-batch-item-failures,!--no-report-batch-item-failures", options.report_failures,
                   "The function's answer names the messages that failed");
  command.add_flag("--enabled,!--disabled", options.enabled, "Whether it polls (default: enabled)");
}

runner::v1::EventSourceMappingConfiguration ConfigurationOf(const MappingOptions& options) {
  runner::v1::EventSourceMappingConfiguration configuration;
  if (options.Given("--batch-size")) configuration.set_batch_size(options.batch_size);
  if (options.Given("--batching-window")) {
    *configuration.mutable_maximum_batching_window() = ToProto(options.batching_window);
  }
  if (options.Given("--maximum-concurrency")) {
    configuration.set_maximum_concurrency(options.maximum_concurrency);
  }
  if (options.Given("--report-batch-item-failures")) {
    configuration.set_report_batch_item_failures(options.report_failures);
  }
  if (options.Given("--enabled")) configuration.set_enabled(options.enabled);
  return configuration;
}

absl::StatusOr<ExitCode> CreateMapping(Session& session, const MappingOptions& options) {
  runner::v1::CreateEventSourceMappingRequest request;
  *request.mutable_function() = session.Function(options.function);
  request.set_event_source_arn(session.QueueArn(options.queue));
  *request.mutable_configuration() = ConfigurationOf(options);
  WEIR_ASSIGN_OR_RETURN(
      const auto response,
      session.Call(session.runner_stub(), &RunnerService::Stub::CreateEventSourceMapping, request));
  session.PrintResult(ToJson(response.mapping()), response.mapping().uuid() + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ListMappings(Session& session, const MappingOptions& options) {
  runner::v1::ListEventSourceMappingsRequest request;
  *request.mutable_namespace_() = session.Namespace();
  request.set_function_name(options.function);
  if (!options.queue.empty()) request.set_event_source_arn(session.QueueArn(options.queue));
  Json document = {{"mappings", Json::array()}};
  Table table({"UUID", "QUEUE", "FUNCTION", "BATCH", "STATE", "LAST RESULT"});
  do {
    WEIR_ASSIGN_OR_RETURN(
        const auto response,
        session.Call(session.runner_stub(), &RunnerService::Stub::ListEventSourceMappings, request));
    for (const EventSourceMapping& mapping : response.mappings()) {
      document["mappings"].push_back(ToJson(mapping));
      table.AddRow({mapping.uuid(), LastPart(mapping.event_source_arn()), LastPart(mapping.function_arn()),
                    absl::StrCat(mapping.configuration().batch_size()), StateName(mapping.state()),
                    mapping.last_processing_result()});
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (document["mappings"].empty() && !session.json) session.Remark("No mappings.");
  session.PrintResult(document, document["mappings"].empty() ? "" : table.ToString());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> UpdateMapping(Session& session, const MappingOptions& options) {
  runner::v1::UpdateEventSourceMappingRequest request;
  request.set_uuid(options.uuid);
  request.set_function_name(options.function);
  *request.mutable_configuration() = ConfigurationOf(options);
  if (request.configuration().ByteSizeLong() == 0 && options.function.empty()) {
    return UsageError("mapping update changes nothing: give at least one option");
  }
  WEIR_ASSIGN_OR_RETURN(
      const auto response,
      session.Call(session.runner_stub(), &RunnerService::Stub::UpdateEventSourceMapping, request));
  session.PrintResult(ToJson(response.mapping()),
                      absl::StrCat("Updated ", response.mapping().uuid(), ", ",
                                   StateName(response.mapping().state()), "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DeleteMapping(Session& session, const MappingOptions& options) {
  runner::v1::DeleteEventSourceMappingRequest request;
  request.set_uuid(options.uuid);
  WEIR_ASSIGN_OR_RETURN(
      const auto response,
      session.Call(session.runner_stub(), &RunnerService::Stub::DeleteEventSourceMapping, request));
  session.PrintResult(ToJson(response.mapping()), absl::StrCat("Deleted ", options.uuid, "\n"));
  return ExitCode::kOk;
}

}  // namespace

void AddMappingCommands(CLI::App& app, Session& session) {
  CLI::App* mapping = app.add_subcommand("mapping", "Feed functions from queues (event source mappings)");
  mapping->require_subcommand(1);
  SetExamples(*mapping, {"weir mapping create --queue orders --function order-consumer", "weir mapping list"});
  using Run = absl::StatusOr<ExitCode> (*)(Session&, const MappingOptions&);
  const auto add = [&](const char* name, const char* about, Run run) {
    auto options = std::make_shared<MappingOptions>();
    CLI::App* command = mapping->add_subcommand(name, about);
    command->callback([&session, options, run] {
      session.action = [&session, options, run] { return run(session, *options); };
    });
    return std::pair(command, options);
  };

  const auto [create, created] = add("create", "Bind a queue to a function", CreateMapping);
  create->add_option("--queue", created->queue, "Name or ARN of the queue")->required()->type_name(kQueueType);
  create->add_option("--function", created->function, "Name of the function")->required()->type_name(kFunctionType);
  AddConfigurationOptions(*create, *created);
  SetExamples(*create, {"weir mapping create --queue orders --function order-consumer",
                        "weir mapping create --queue orders --function order-consumer --batch-size 100 "
                        "--batching-window 2s"});
  const auto [list, listed] = add("list", "List mappings", ListMappings);
  list->add_option("--queue", listed->queue, "Only those of this queue")->type_name(kQueueType);
  list->add_option("--function", listed->function, "Only those of this function")->type_name(kFunctionType);
  const auto [update, updated] = add("update", "Change a mapping; what is not given stays", UpdateMapping);
  update->add_option("uuid", updated->uuid, "The mapping")->required()->type_name("UUID");
  update->add_option("--function", updated->function, "Bind the queue to this function instead")
      ->type_name(kFunctionType);
  AddConfigurationOptions(*update, *updated);
  for (CLI::Option* option : update->get_options()) option->default_str("");
  SetExamples(*update, {"weir mapping update UUID --disabled", "weir mapping update UUID --batch-size 5"});
  const auto [remove, removed] = add("delete", "Delete a mapping; messages stay in the queue", DeleteMapping);
  remove->add_option("uuid", removed->uuid, "The mapping")->required()->type_name("UUID");
}

}  // namespace weir::cli
