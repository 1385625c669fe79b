// weir queue add-permission|remove-permission
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

using queue::v1::QueueService;

struct PermissionOptions {
  std::string queue;
  std::string label;
  std::vector<std::string> accounts;
  std::vector<std::string> actions;
};

absl::StatusOr<ExitCode> AddPermission(Session& session, const PermissionOptions& options) {
  queue::v1::AddPermissionRequest request;
  *request.mutable_queue() = session.Queue(options.queue);
  request.set_label(options.label);
  for (const std::string& account : options.accounts) request.add_account_ids(account);
  for (const std::string& action : options.actions) request.add_actions(action);
  WEIR_RETURN_IF_ERROR(session.Call(session.queue_stub(), &QueueService::Stub::AddPermission, request).status());
  session.PrintResult({{"name", options.queue}, {"label", options.label}, {"added", true}},
                      absl::StrCat("Added permission ", options.label, " to ", options.queue, "\n"));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RemovePermission(Session& session, const PermissionOptions& options) {
  queue::v1::RemovePermissionRequest request;
  *request.mutable_queue() = session.Queue(options.queue);
  request.set_label(options.label);
  WEIR_RETURN_IF_ERROR(session.Call(session.queue_stub(), &QueueService::Stub::RemovePermission, request).status());
  session.PrintResult({{"name", options.queue}, {"label", options.label}, {"removed", true}},
                      absl::StrCat("Removed permission ", options.label, " from ", options.queue, "\n"));
  return ExitCode::kOk;
}

}  // namespace

void AddPermissionCommands(CLI::App& queue, Session& session) {
  using Run = absl::StatusOr<ExitCode> (*)(Session&, const PermissionOptions&);
  const auto add = [&](const char* name, const char* about, Run run) {
    auto options = std::make_shared<PermissionOptions>();
    CLI::App* command = queue.add_subcommand(name, about);
    command->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
    command->add_option("label", options->label, "Name of the permission, the statement's Sid in the policy")
        ->required()->type_name("LABEL");
    command->callback([&session, options, run] {
      session.action = [&session, options, run] { return run(session, *options); };
    });
    return std::pair(command, options);
  };
  const auto [allow, allow_options] =
      add("add-permission", "Allow other accounts to use a queue: add a statement to its policy", AddPermission);
  allow->add_option("--account", allow_options->accounts, "Account that is allowed, 12 digits; may be repeated")
      ->required()->type_name("ACCOUNT")->expected(1)->take_all();
  allow->add_option("--action", allow_options->actions,
                    "What it may do, such as SendMessage, or * for all; may be repeated")
      ->required()->type_name("ACTION")->expected(1)->take_all();
  SetExamples(*allow, {"weir queue add-permission orders shop --account 111122223333 --action SendMessage",
                       "weir queue add-permission orders workers --account 111122223333 --action ReceiveMessage --action "
                       "DeleteMessage --action ChangeMessageVisibility"});
  const auto [remove, remove_options] =
      add("remove-permission", "Remove a statement of a queue's policy", RemovePermission);
  SetExamples(*remove, {"weir queue remove-permission orders shop"});
}

}  // namespace weir::cli
