// weir function deploy|list|describe|delete|invoke|logs, weir runtime list
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using runner::v1::RunnerService;

struct DeployOptions {
  std::string name;
  std::string runtime;
  std::string handler;
  std::vector<std::string> files;
  std::string zip;
  absl::Duration timeout = absl::Seconds(3);
  int memory_mib = 128;
  std::vector<std::string> environment;
  int concurrency = 0;
  std::string description;
  CLI::App* command = nullptr;

  bool Given(const char* option) const { return command->count(option) > 0; }
};

struct FunctionOptions {
  std::string name;
  std::string prefix;
};

struct InvokeOptions {
  std::string name;
  std::string payload;
  std::string payload_file;
  bool log = false;
};

struct LogsOptions {
  std::string name;
  bool follow = false;
  absl::Duration since = absl::ZeroDuration();
  std::string request_id;
  int tail = 0;
};

absl::StatusOr<runner::v1::FunctionCode> CodeOf(const DeployOptions& options) {
  runner::v1::FunctionCode code;
  if (!options.zip.empty()) {
    WEIR_ASSIGN_OR_RETURN(*code.mutable_zip(), ReadFile(options.zip));
    return code;
  }
  for (const std::string& file : options.files) {
    // "src/a.py" is put at the top of the function's folder as "a.py"; "lib/b.py=src/b.py" says where else.
    std::string path = file;
    std::string name = std::filesystem::path(file).filename().string();
    if (const size_t equals = file.find('='); equals != std::string::npos) {
      name = file.substr(0, equals);
      path = file.substr(equals + 1);
    }
    WEIR_ASSIGN_OR_RETURN((*code.mutable_inline_files()->mutable_files())[name], ReadFile(path));
  }
  return code;
}

absl::StatusOr<runner::v1::FunctionConfiguration> ConfigurationOf(const DeployOptions& options) {
  runner::v1::FunctionConfiguration configuration;
  if (options.Given("--runtime")) configuration.set_runtime(options.runtime);
  if (options.Given("--handler")) configuration.set_handler(options.handler);
  if (options.Given("--timeout")) *configuration.mutable_timeout() = ToProto(options.timeout);
  if (options.Given("--memory")) configuration.set_memory_mib(options.memory_mib);
  if (options.Given("--concurrency")) configuration.set_concurrency_limit(options.concurrency);
  if (options.Given("--description")) configuration.set_description(options.description);
  for (const std::string& text : options.environment) {
    const auto variable = ParseKeyValue("--env", text);
    if (!variable.ok()) return UsageError(std::string(variable.status().message()));
    (*configuration.mutable_environment()->mutable_variables())[variable->key] = variable->value;
  }
  return configuration;
}

std::string FunctionText(const runner::v1::Function& function) {
  const runner::v1::FunctionConfiguration& configuration = function.configuration();
  std::vector<std::string> names;
  for (const auto& [name, value] : configuration.environment().variables()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return FormatFields(
      {{"Name", function.name()},
       {"ARN", function.arn()},
       {"Runtime", configuration.runtime()},
       {"Handler", configuration.handler()},
       {"Timeout", DurationText(FromProto(configuration.timeout()))},
       {"Memory", absl::StrCat(configuration.memory_mib(), " MiB")},
       {"Concurrency", configuration.concurrency_limit() == 0
                           ? "no bound of its own"
                           : absl::StrCat(configuration.concurrency_limit())},
       {"Environment", absl::StrJoin(names, ", ")},
       {"Description", configuration.description()},
       {"Code", absl::StrCat(FormatBytes(function.code_bytes()), ", SHA-256 ", function.code_sha256())},
       {"Revision", absl::StrCat(function.revision())},
       {"Modified", FormatTimestamp(function.modified_at())}});
}

absl::StatusOr<ExitCode> Deploy(Session& session, const DeployOptions& options) {
  runner::v1::DeployFunctionRequest request;
  *request.mutable_function() = session.Function(options.name);
  WEIR_ASSIGN_OR_RETURN(*request.mutable_configuration(), ConfigurationOf(options));
  if (!options.zip.empty() || !options.files.empty()) {
    WEIR_ASSIGN_OR_RETURN(*request.mutable_code(), CodeOf(options));
  }
  WEIR_ASSIGN_OR_RETURN(const auto response,
                        session.Call(session.runner_stub(), &RunnerService::Stub::DeployFunction, request));
  const runner::v1::Function& function = response.function();
  Json document = ToJson(function);
  document["created"] = response.created();
  session.PrintResult(document, absl::StrCat(response.created() ? "Created " : "Deployed ", function.name(),
                                             ", revision ", function.revision(), ", ",
                                             function.configuration().runtime(), ", ",
                                             FormatBytes(function.code_bytes()), "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> ListFunctions(Session& session, const FunctionOptions& options) {
  runner::v1::ListFunctionsRequest request;
  *request.mutable_namespace_() = session.Namespace();
  request.set_name_prefix(options.prefix);
  Json document = {{"functions", Json::array()}};
  Table table({"NAME", "RUNTIME", "HANDLER", "TIMEOUT", "MEMORY", "REVISION", "MODIFIED"});
  do {
    WEIR_ASSIGN_OR_RETURN(const auto response,
                          session.Call(session.runner_stub(), &RunnerService::Stub::ListFunctions, request));
    for (const runner::v1::Function& function : response.functions()) {
      document["functions"].push_back(ToJson(function));
      const runner::v1::FunctionConfiguration& configuration = function.configuration();
      table.AddRow({function.name(), configuration.runtime(), configuration.handler(),
                    DurationText(FromProto(configuration.timeout())),
                    absl::StrCat(configuration.memory_mib(), " MiB"), absl::StrCat(function.revision()),
                    FormatTimestamp(function.modified_at())});
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  if (document["functions"].empty() && !session.json) session.Remark("No functions.");
  session.PrintResult(document, document["functions"].empty() ? "" : table.ToString());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DescribeFunction(Session& session, const FunctionOptions& options) {
  runner::v1::GetFunctionRequest request;
  *request.mutable_function() = session.Function(options.name);
  WEIR_ASSIGN_OR_RETURN(const auto response,
                        session.Call(session.runner_stub(), &RunnerService::Stub::GetFunction, request));
  session.PrintResult(ToJson(response.function()), FunctionText(response.function()));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> DeleteFunction(Session& session, const FunctionOptions& options) {
  runner::v1::DeleteFunctionRequest request;
  *request.mutable_function() = session.Function(options.name);
  WEIR_RETURN_IF_ERROR(
      session.Call(session.runner_stub(), &RunnerService::Stub::DeleteFunction, request).status());
  session.PrintResult({{"name", options.name}, {"deleted", true}},
                      absl::StrCat("Deleted ", options.name, "\n"));
  return ExitCode::kOk;
}

// What the function answered; text as it is when it is no JSON, which the runner rules out.
Json PayloadJson(const std::string& payload) {
  Json document = Json::parse(payload, nullptr, false);
  return document.is_discarded() ? Json(payload) : document;
}

Json InvocationJson(const runner::v1::Invocation& invocation, bool with_log) {
  Json document = {
      {"request_id", invocation.request_id()},
      {"outcome", OutcomeName(invocation.outcome())},
      {"payload", PayloadJson(invocation.payload())},
      {"duration_seconds", absl::ToDoubleSeconds(FromProto(invocation.duration()))},
      {"init_duration_seconds", invocation.has_init_duration()
                                    ? Json(absl::ToDoubleSeconds(FromProto(invocation.init_duration())))
                                    : Json(nullptr)},
      {"max_memory_used_mib", invocation.max_memory_used_mib()},
      {"function_revision", invocation.function_revision()}};
  if (with_log) document["log_tail"] = invocation.log_tail();
  return document;
}

std::string ErrorSentence(const std::string& name, const runner::v1::Invocation& invocation) {
  const Json error = PayloadJson(invocation.payload());
  const auto text = [&error](const char* field) {
    return error.is_object() && error.contains(field) && error[field].is_string()
               ? error[field].get<std::string>()
               : std::string();
  };
  return absl::StrCat("The function ", name, " failed: ", text("errorType"),
                      text("errorType").empty() ? "" : ": ", Printable(text("errorMessage")));
}

absl::StatusOr<ExitCode> Invoke(Session& session, const InvokeOptions& options) {
  runner::v1::InvokeFunctionRequest request;
  *request.mutable_function() = session.Function(options.name);
  request.set_payload(options.payload);
  request.set_include_log_tail(options.log);
  if (!options.payload_file.empty()) {
    WEIR_ASSIGN_OR_RETURN(*request.mutable_payload(), ReadFileOrStdin(options.payload_file));
  }
  // The function's own timeout, 15 min at most, ends it.
  WEIR_ASSIGN_OR_RETURN(const auto response,
                        session.Call(session.runner_stub(), &RunnerService::Stub::InvokeFunction, request,
                                     absl::Minutes(15)));
  const runner::v1::Invocation& invocation = response.invocation();
  if (!session.json && options.log) session.Remark(invocation.log_tail());
  session.PrintResult(InvocationJson(invocation, options.log), absl::StrCat(invocation.payload(), "\n"));
  if (invocation.outcome() == runner::v1::INVOCATION_OUTCOME_SUCCEEDED) return ExitCode::kOk;
  std::fprintf(stderr, "weir: %s\n", ErrorSentence(options.name, invocation).c_str());
  return ExitCode::kFunctionFailed;
}

void PrintLogLine(const Session& session, const runner::v1::LogLine& line) {
  if (session.json) {
    Print(FormatJsonLine(ToJson(line)));
    return;
  }
  const std::string time = FormatTimestamp(line.logged_at());
  // Tabs are fine here, where no column follows.
  const std::string text = Printable(absl::StrReplaceAll(line.text(), {{"\t", "  "}}));
  Print(absl::StrCat(time, "  ", text, "\n"));
}

// With --follow a stream that breaks is taken up again after the last line that was shown.
absl::StatusOr<ExitCode> Logs(Session& session, const LogsOptions& options) {
  runner::v1::GetFunctionLogsRequest request;
  *request.mutable_function() = session.Function(options.name);
  request.set_request_id(options.request_id);
  request.set_limit(options.tail);
  request.set_follow(options.follow);
  if (options.since > absl::ZeroDuration()) {
    *request.mutable_since() = ToProto(absl::Now() - options.since);
  }
  for (bool established = false;; request.set_limit(0)) {
    grpc::ClientContext context;
    if (!options.follow) session.SetDeadline(context, absl::ZeroDuration());
    if (established) context.set_wait_for_ready(true);
    const auto stream = session.runner_stub().GetFunctionLogs(&context, request);
    runner::v1::GetFunctionLogsResponse response;
    while (stream->Read(&response)) {
      established = true;
      for (const runner::v1::LogLine& line : response.lines()) {
        PrintLogLine(session, line);
        request.set_after_position(line.position());
      }
    }
    const grpc::Status status = stream->Finish();
    if (status.ok()) return ExitCode::kOk;
    const bool transient = status.error_code() == grpc::StatusCode::UNAVAILABLE;
    if (!options.follow || !established || !transient) {
      return session.Explain(status, session.runner_endpoint);
    }
    session.Remark("The log's stream broke; waiting for the runner …");
  }
}

absl::StatusOr<ExitCode> ListRuntimes(Session& session) {
  WEIR_ASSIGN_OR_RETURN(const auto response,
                        session.Call(session.runner_stub(), &RunnerService::Stub::ListRuntimes,
                                     runner::v1::ListRuntimesRequest()));
  Json document = {{"runtimes", Json::array()}};
  Table table({"NAME", "AVAILABLE", "VERSION", "INTERPRETER"});
  for (const runner::v1::Runtime& runtime : response.runtimes()) {
    document["runtimes"].push_back(ToJson(runtime));
    table.AddRow({runtime.name(), runtime.available() ? "yes" : "no", runtime.version(),
                  runtime.available() ? runtime.interpreter() : runtime.unavailable_reason()});
  }
  session.PrintResult(document, table.ToString());
  return ExitCode::kOk;
}

void AddDeploy(CLI::App& function, Session& session) {
  auto options = std::make_shared<DeployOptions>();
  CLI::App* deploy = function.add_subcommand("deploy", "Create a function or change it; what is not given stays");
  options->command = deploy;
  deploy->add_option("name", options->name, "Name of the function")->required()->type_name(kFunctionType);
  deploy->add_option("--runtime", options->runtime, "What runs it, such as python3.12; `weir runtime list` shows all")
      ->type_name(kRuntimeType);
  deploy->add_option("--handler", options->handler, "What to call: MODULE.FUNCTION")->type_name("HANDLER");
  CLI::Option* files =
      deploy->add_option("--file", options->files,
                         "A source file, put at the top of the function's folder; NAME=FILE puts it elsewhere. "
                         "May be repeated")
          ->type_name("FILE")->expected(1)->take_all();
  deploy->add_option("--zip", options->zip, "The function's folder as a zip archive, up to 50 MiB")
      ->type_name("FILE")->excludes(files);
  AddDuration(*deploy, "--timeout", options->timeout,
              "An invocation is killed after it, 1s to 900s (default at creation: 3s)")->default_str("");
  deploy->add_option("--memory", options->memory_mib,
                     "Memory of a worker in MiB, 128 to 10240 (default at creation: 128)")->type_name("MIB");
  deploy->add_option("--env", options->environment,
                     "Environment variable NAME=VALUE; may be repeated, replaces all")
      ->type_name("VARIABLE")->expected(1)->take_all();
  deploy->add_option("--concurrency", options->concurrency,
                     "Invocations at a time, 1 to 1000; 0: no bound of its own")->type_name("N");
  deploy->add_option("--description", options->description, "For people, up to 256 characters")
      ->type_name("TEXT");
  SetExamples(*deploy, {"weir function deploy order-consumer --runtime python3.12 --handler "
                        "order_consumer.lambda_handler --file order_consumer.py",
                        "weir function deploy order-consumer --zip build/order_consumer.zip",
                        "weir function deploy order-consumer --timeout 30s --memory 256 --env MODE=fast"});
  deploy->callback([&session, options] {
    session.action = [&session, options] { return Deploy(session, *options); };
  });
}

void AddInvoke(CLI::App& function, Session& session) {
  auto options = std::make_shared<InvokeOptions>();
  CLI::App* invoke = function.add_subcommand("invoke", "Run a function and print its answer; exit code 4 if it fails");
  invoke->add_option("name", options->name, "Name of the function")->required()->type_name(kFunctionType);
  CLI::Option* payload = invoke->add_option("payload", options->payload, "The event as JSON (default: {})")
                             ->type_name("JSON");
  invoke->add_option("-f,--payload-file", options->payload_file, "The event from a file; -: stdin")
      ->type_name("FILE")->excludes(payload);
  invoke->add_flag("--log", options->log, "Show the end of the invocation's log, on stderr");
  SetExamples(*invoke, {"weir function invoke order-consumer '{\"Records\": []}'",
                        "weir function invoke order-consumer -f event.json --log"});
  invoke->callback([&session, options] {
    session.action = [&session, options] { return Invoke(session, *options); };
  });
}

void AddLogs(CLI::App& function, Session& session) {
  auto options = std::make_shared<LogsOptions>();
  CLI::App* logs = function.add_subcommand("logs", "Print a function's log; JSON: a document a line");
  logs->add_option("name", options->name, "Name of the function")->required()->type_name(kFunctionType);
  logs->add_flag("-f,--follow", options->follow, "Go on with lines as they are logged, until Ctrl-C");
  AddDuration(*logs, "--since", options->since, "Only lines of so long ago or later")->default_str("");
  logs->add_option("--tail", options->tail, "Start with the last so many lines, 1 to 10000")->type_name("N");
  logs->add_option("--request-id", options->request_id, "Only lines of this invocation")->type_name("ID");
  SetExamples(*logs, {"weir function logs order-consumer -f", "weir function logs order-consumer --since 5m"});
  logs->callback([&session, options] {
    session.action = [&session, options] { return Logs(session, *options); };
  });
}

}  // namespace

void AddFunctionCommands(CLI::App& app, Session& session) {
  CLI::App* function = app.add_subcommand("function", "Deploy, run and look at functions");
  function->require_subcommand(1);
  SetExamples(*function, {"weir function deploy order-consumer --runtime python3.12 --handler "
                          "order_consumer.lambda_handler --file order_consumer.py",
                          "weir function logs order-consumer -f"});
  using Run = absl::StatusOr<ExitCode> (*)(Session&, const FunctionOptions&);
  const auto add = [&](const char* name, const char* about, Run run) {
    auto options = std::make_shared<FunctionOptions>();
    CLI::App* command = function->add_subcommand(name, about);
    command->callback([&session, options, run] {
      session.action = [&session, options, run] { return run(session, *options); };
    });
    return std::pair(command, options);
  };
  AddDeploy(*function, session);
  const auto [list, listed] = add("list", "List functions", ListFunctions);
  list->add_option("--prefix", listed->prefix, "Only names that start with it")->type_name("TEXT");
  const auto [describe, described] = add("describe", "Show a function's configuration", DescribeFunction);
  describe->add_option("name", described->name, "Name of the function")->required()->type_name(kFunctionType);
  const auto [remove, removed] = add("delete", "Delete a function with its log", DeleteFunction);
  remove->add_option("name", removed->name, "Name of the function")->required()->type_name(kFunctionType);
  AddInvoke(*function, session);
  AddLogs(*function, session);
}

void AddRuntimeCommands(CLI::App& app, Session& session) {
  CLI::App* runtime = app.add_subcommand("runtime", "What functions can be written in");
  runtime->require_subcommand(1);
  runtime->add_subcommand("list", "List the configured runtimes, and which of them this machine has")
      ->callback([&session] { session.action = [&session] { return ListRuntimes(session); }; });
}

}  // namespace weir::cli
