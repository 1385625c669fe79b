// The tree of commands: the options of every command, and a branch each noun.
#include "cli/commands.h"

namespace weir::cli {
namespace {

constexpr char kAbout[] =
    "Weir: event-driven messaging on PostgreSQL.\n"
    "Durable queues, and functions that consume them. `weir up` starts everything on this machine;\n"
    "the other commands talk to it.";

constexpr char kFooter[] =
    "Durations are seconds (60) or a number with a unit: 500ms, 60s, 5m, 1h30m, 4d.\n"
    "\n"
    "Exit codes:\n"
    "  0  done\n"
    "  1  the service refused, or what was asked for failed; the reason and a sentence are on stderr\n"
    "  2  the command line is wrong; nothing was sent\n"
    "  3  the service cannot be reached, is not ready, or did not answer in time\n"
    "  4  function invoke: the function failed; its error is on stdout\n"
    "\n"
    "Start here:\n"
    "  weir lab                        watch an order go through a queue into a function, 20 s\n"
    "  weir up                         start all services with a private PostgreSQL in ./.weir\n"
    "  weir queue create orders\n"
    "  weir send orders 'Hello'\n"
    "  weir receive orders --delete\n";

void AddGlobalOptions(CLI::App& app, Session& session) {
  const std::string group = "Options of every command";
  app.add_option("--endpoint,--queue-endpoint", session.queue_endpoint, "Queue service")
      ->type_name("HOST:PORT")->envname("WEIR_QUEUE_ENDPOINT")->capture_default_str()->group(group);
  app.add_option("--runner-endpoint", session.runner_endpoint, "Runner service")
      ->type_name("HOST:PORT")->envname("WEIR_RUNNER_ENDPOINT")->capture_default_str()->group(group);
  app.add_option("--account", session.account, "Account that queues and functions belong to")
      ->type_name("DIGITS")->envname("WEIR_ACCOUNT")->capture_default_str()->group(group);
  app.add_option("--region", session.region, "Region that they are in")
      ->type_name("NAME")->envname("WEIR_REGION")->capture_default_str()->group(group);
  AddDuration(app, "--timeout", session.timeout, "How long to wait for an answer")
      ->envname("WEIR_TIMEOUT")->group(group);
  app.add_option_function<std::string>(
         "-o,--output", [&session](const std::string& form) { session.json = form == "json"; },
         "table for people, json for programs")
      ->type_name("FORM")->check(CLI::IsMember({"table", "json"}))->default_str("table")
      ->envname("WEIR_OUTPUT")->group(group);
  app.add_flag("-q,--quiet", session.quiet, "No remarks on stderr, only results and errors")
      ->group(group);
  app.set_config("--config", "", "File with options: NAME=VALUE a line, those of a command under [COMMAND]")
      ->envname("WEIR_CONFIG")->group(group);
}

}  // namespace

void BuildApp(CLI::App& app, Session& session) {
  app.name("weir");
  app.description(kAbout);
  app.footer(kFooter);
  app.get_formatter()->column_width(34);
  // Subcommands inherit these; a second word that is the name of a command is then an argument.
  app.fallthrough();
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "This help");
  AddGlobalOptions(app, session);
  AddLabCommand(app, session);
  AddUpCommand(app, session);
  AddQueueCommands(app, session);
  AddMessageCommands(app, session);
  AddTraceCommand(app, session);
  AddStreamCommands(app, session);
  AddRedriveCommands(app, session);
  AddClusterCommands(app, session);
  AddFunctionCommands(app, session);
  AddRuntimeCommands(app, session);
  AddMappingCommands(app, session);
  AddAccessKeyCommands(app, session);
  AddCompletionCommands(app, session);
}

}  // namespace weir::cli
