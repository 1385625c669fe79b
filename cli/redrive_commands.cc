// weir redrive DLQ, redrive list, redrive cancel
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using queue::v1::MessageMoveTask;
using queue::v1::QueueService;

constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

struct RedriveOptions {
  std::string source;
  std::string destination;
  std::string task;
  int rate = 0;
  int max = 10;
  bool no_wait = false;
};

absl::StatusOr<queue::v1::ListMessageMoveTasksResponse> ListTasks(Session& session,
                                                                  const std::string& source, int max) {
  queue::v1::ListMessageMoveTasksRequest request;
  *request.mutable_source() = session.Queue(source);
  request.set_max_results(max);
  return session.Call(session.queue_stub(), &QueueService::Stub::ListMessageMoveTasks, request);
}

bool Ended(const MessageMoveTask& task) {
  return task.status() != queue::v1::MESSAGE_MOVE_TASK_STATUS_RUNNING &&
         task.status() != queue::v1::MESSAGE_MOVE_TASK_STATUS_CANCELLING;
}

// On a terminal one line that is written over; elsewhere nothing, so that logs stay short.
void ShowProgress(const Session& session, const MessageMoveTask& task) {
  if (session.quiet || isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\rMoved %lld of %lld …%s", static_cast<long long>(task.messages_moved()),
               static_cast<long long>(task.messages_to_move()), Ended(task) ? "\n" : "");
}

// The task as it ended.
absl::StatusOr<MessageMoveTask> AwaitEnd(Session& session, const std::string& source,
                                         const std::string& handle) {
  for (absl::Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    WEIR_ASSIGN_OR_RETURN(const auto response, ListTasks(session, source, 10));
    const MessageMoveTask* found = nullptr;
    for (const MessageMoveTask& task : response.tasks()) {
      // A task that has ended may be listed without a handle; the newest is ours then.
      if (task.task_handle() == handle || (found == nullptr && task.task_handle().empty())) found = &task;
    }
    if (found == nullptr) {
      return absl::NotFoundError(absl::StrCat("The move task of ", source, " is no longer listed."));
    }
    ShowProgress(session, *found);
    if (Ended(*found)) return *found;
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(pause));
  }
}

absl::StatusOr<ExitCode> Redrive(Session& session, const RedriveOptions& options) {
  queue::v1::StartMessageMoveTaskRequest request;
  *request.mutable_source() = session.Queue(options.source);
  if (!options.destination.empty()) request.set_destination_arn(session.QueueArn(options.destination));
  if (options.rate > 0) request.set_max_messages_per_second(options.rate);
  WEIR_ASSIGN_OR_RETURN(
      const queue::v1::StartMessageMoveTaskResponse started,
      session.Call(session.queue_stub(), &QueueService::Stub::StartMessageMoveTask, request));
  if (options.no_wait) {
    session.PrintResult({{"task_handle", started.task_handle()}}, started.task_handle() + "\n");
    return ExitCode::kOk;
  }
  WEIR_ASSIGN_OR_RETURN(const MessageMoveTask task,
                        AwaitEnd(session, options.source, started.task_handle()));
  const std::string where = task.destination_arn().empty()
                                ? "to the queues they came from"
                                : absl::StrCat("to ", task.destination_arn());
  session.PrintResult(ToJson(task), absl::StrCat("Moved ", task.messages_moved(), " of ",
                                                 task.messages_to_move(), " messages ", where, "\n"));
  if (task.status() == queue::v1::MESSAGE_MOVE_TASK_STATUS_COMPLETED) return ExitCode::kOk;
  return absl::FailedPreconditionError(
      absl::StrCat("The move task of ", options.source, " ended ", StatusName(task.status()),
                   task.failure_message().empty() ? "." : ": ", task.failure_message()));
}

absl::StatusOr<ExitCode> ListRedrives(Session& session, const RedriveOptions& options) {
  WEIR_ASSIGN_OR_RETURN(const auto response, ListTasks(session, options.source, options.max));
  Json document = {{"tasks", Json::array()}};
  Table table({"STARTED", "STATUS", "MOVED", "OF", "DESTINATION", "TASK"});
  for (const MessageMoveTask& task : response.tasks()) {
    document["tasks"].push_back(ToJson(task));
    table.AddRow({FormatTimestamp(task.started_at()), StatusName(task.status()),
                  absl::StrCat(task.messages_moved()), absl::StrCat(task.messages_to_move()),
                  task.destination_arn(), task.task_handle()});
  }
  if (response.tasks().empty() && !session.json) session.Remark("No move tasks.");
  session.PrintResult(document, response.tasks().empty() ? "" : table.ToString());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> CancelRedrive(Session& session, const RedriveOptions& options) {
  queue::v1::CancelMessageMoveTaskRequest request;
  request.set_task_handle(options.task);
  WEIR_ASSIGN_OR_RETURN(
      const queue::v1::CancelMessageMoveTaskResponse response,
      session.Call(session.queue_stub(), &QueueService::Stub::CancelMessageMoveTask, request));
  session.PrintResult({{"messages_moved", response.messages_moved()}},
                      absl::StrCat("Cancelled after ", response.messages_moved(), " messages\n"));
  return ExitCode::kOk;
}

}  // namespace

void AddRedriveCommands(CLI::App& app, Session& session) {
  auto options = std::make_shared<RedriveOptions>();
  CLI::App* redrive = app.add_subcommand("redrive", "Move the messages of a dead-letter queue back");
  redrive->require_subcommand(0, 1);
  redrive->add_option("queue", options->source, "The dead-letter queue")->type_name(kQueueType);
  redrive->add_option("--to", options->destination, "Move all to this queue, not each to where it came from")
      ->type_name(kQueueType);
  redrive->add_option("--rate", options->rate, "Messages a second at most, 1 to 500 (default: no bound)")
      ->type_name("N")->check(CLI::Range(1, 500));
  redrive->add_flag("--no-wait", options->no_wait, "Only start it, and print the task's handle");
  SetExamples(*redrive, {"weir redrive orders-dlq", "weir redrive orders-dlq --to orders-repaired --rate 50",
                         "weir redrive list orders-dlq"});

  const auto add = [&](const char* name, const char* about, auto run) {
    CLI::App* command = redrive->add_subcommand(name, about);
    command->callback([&session, options, run] {
      session.action = [&session, options, run] { return run(session, *options); };
    });
    return command;
  };
  CLI::App* list = add("list", "List the moves out of a dead-letter queue, newest first", ListRedrives);
  list->add_option("queue", options->source, "The dead-letter queue")->required()->type_name(kQueueType);
  list->add_option("--max", options->max, "Tasks at most, 1 to 10")->type_name("N")->capture_default_str();
  CLI::App* cancel = add("cancel", "Stop a move; what was moved stays moved", CancelRedrive);
  cancel->add_option("task", options->task, "Handle of the task")->required()->type_name("TASK");
  redrive->callback([&session, redrive, options] {
    if (!redrive->get_subcommands().empty()) return;
    if (options->source.empty()) throw CLI::RequiredError("redrive needs the name of a dead-letter QUEUE, which");
    session.action = [&session, options] { return Redrive(session, *options); };
  });
}

}  // namespace weir::cli
