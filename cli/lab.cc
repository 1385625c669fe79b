// weir lab: an order goes through a queue into a function, and what fails ends in the dead-letter queue.
//
// Every step is a `weir` command that is really run, on a suite of its own in a fresh folder; each is shown with its output. Orders
// are sent by the aws CLI where it is installed. What the lab waits for it reads from the services; no step is timed.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cli/commands.h"
#include "cli/lab_files.gen.h"
#include "cli/lab_process.h"
#include "cli/units.h"
#include "libs/base/status_macros.h"
#include "libs/runtime/signals.h"

namespace weir::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kQueue[] = "order-processing";
constexpr char kDeadLetterQueue[] = "order-processing-dlq";
constexpr char kFunction[] = "order-consumer";
constexpr char kRuntime[] = "python3.12";
constexpr int kMaxReceiveCount = 3;
const std::vector<std::string>& FailingOrders() {
  static const auto& orders = *new std::vector<std::string>{"Order124", "Order125", "Order126"};
  return orders;
}
constexpr absl::Duration kStartTimeout = absl::Seconds(90);
constexpr absl::Duration kStepTimeout = absl::Seconds(60);
constexpr absl::Duration kPollPause = absl::Milliseconds(50);

// Who sends the orders.
enum class Producer { kAwsIfThere, kAws, kWeir };

struct CommandResult {
  int exit_code = 0;
  std::string output;
};

class Lab {
 public:
  Lab(bool keep, Producer producer) : keep_(keep), producer_(producer), started_(absl::Now()) {}
  ~Lab();

  absl::Status Run();

 private:
  // Steps, in order.
  absl::Status MakeFolder();
  absl::Status StartSuite();
  absl::Status ChooseProducer();
  absl::Status CreateQueues();
  absl::Status DeployAndMap();
  absl::Status SendOneOrder();
  absl::Status BreakFunction();
  absl::Status AwaitDeadLetters();
  absl::Status ShowDeadLetters();
  absl::Status FixAndRedrive();
  absl::Status CheckQueuesAreEmpty();
  void Summarise() const;

  // Verbs that the steps are written in.
  void Heading(absl::string_view text) { Print(absl::StrFormat("\n%d. %s\n", ++step_, text)); }
  void Say(absl::string_view text) const { Print(absl::StrCat("   ", text, "\n")); }
  void ShowCommand(const std::vector<std::string>& words, absl::string_view suffix = "",
                   absl::string_view program = "weir") const;
  absl::StatusOr<CommandResult> RunHidden(const std::vector<std::string>& words) const;
  // Of any program.
  absl::StatusOr<CommandResult> RunProgram(const std::vector<std::string>& argv) const;
  // Shows the command and its output.
  absl::StatusOr<CommandResult> Try(const std::vector<std::string>& words) const;
  // Of the aws CLI.
  absl::Status DoByAws(const std::vector<std::string>& words) const;
  absl::Status SendOrder(const std::string& order) const;
  // The same; any exit code but 0 is an error.
  absl::StatusOr<std::string> Do(const std::vector<std::string>& words) const;
  absl::StatusOr<Json> Ask(std::vector<std::string> words) const;
  absl::Status Deploy(const std::string& file);
  absl::StatusOr<std::string> NewestPython() const;
  // Follows the function's log from `since` on and shows the lines that `wanted` picks, until `wanted` has seen enough.
  enum class Line { kSkip, kShow, kShowAndEnd };
  absl::Status FollowLog(absl::Time since, absl::string_view filter,
                         const std::function<Line(absl::string_view)>& wanted) const;
  // Until the queue's counts are as wanted.
  absl::Status AwaitStats(const std::string& queue, absl::string_view what,
                          const std::function<bool(const Json&)>& wanted) const;
  void StopSuite();

  const bool keep_;
  const Producer producer_;
  const absl::Time started_;
  std::optional<SignalWatch> signals_;
  bool by_aws_ = false;
  std::string gateway_;
  std::string folder_;
  std::string program_;
  std::unique_ptr<LabProcess> suite_;
  std::string runtime_ = kRuntime;
  int step_ = 0;
  int sent_ = 0;
  int processed_ = 0;
  int tries_of_failing_ = 0;
  int dead_lettered_ = 0;
  int redriven_ = 0;
  absl::Duration start_time_, first_order_time_, dead_letter_time_, redrive_time_;
};

Lab::~Lab() {
  StopSuite();
  if (folder_.empty()) return;
  if (keep_) {
    Print(absl::StrCat("The folder is kept: ", folder_, "\n"));
    return;
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

absl::Status Lab::Run() {
  runtime::BlockTerminationSignals();
  signals_.emplace();
  Print("The order-processing lab: an order goes through a durable queue into a function,\n"
        "and what fails ends in the dead-letter queue. Every step below is a command you can type.\n");
  for (const auto step :
       {&Lab::MakeFolder, &Lab::StartSuite, &Lab::ChooseProducer, &Lab::CreateQueues, &Lab::DeployAndMap, &Lab::SendOneOrder,
        &Lab::BreakFunction, &Lab::AwaitDeadLetters, &Lab::ShowDeadLetters, &Lab::FixAndRedrive,
        &Lab::CheckQueuesAreEmpty}) {
    const absl::Status status = (this->*step)();
    if (status.ok()) continue;
    if (absl::IsCancelled(status)) return absl::CancelledError("The lab was interrupted.");
    return absl::InternalError(absl::StrCat("The lab failed in step ", step_, ": ", status.message()));
  }
  StopSuite();
  Summarise();
  return absl::OkStatus();
}

absl::Status Lab::MakeFolder() {
  std::error_code error;
  program_ = fs::read_symlink("/proc/self/exe", error).string();
  char name[] = "/tmp/weir-lab-XXXXXX";
  if (mkdtemp(name) == nullptr) return absl::InternalError("cannot make a folder in /tmp");
  folder_ = name;
  // PostgreSQL may run as another user.
  fs::permissions(folder_, fs::perms(0755), error);
  fs::create_directory(folder_ + "/broken", error);
  std::ofstream(folder_ + "/order_consumer.py") << kOrderConsumer;
  std::ofstream(folder_ + "/broken/order_consumer.py") << kBrokenOrderConsumer;
  return absl::OkStatus();
}

absl::Status Lab::StartSuite() {
  Heading("Start all services, with a private PostgreSQL in a fresh folder");
  const std::string ready_file = folder_ + "/ready.json";
  const std::vector<std::string> words = {
      "up", "--data-dir", folder_ + "/data", "--queue-port", "0", "--runner-port", "0", "--gateway-port", "0",
      "--metrics-port", "0", "--ready-file", ready_file};
  ShowCommand(words, " &");
  std::vector<std::string> argv = {program_};
  argv.insert(argv.end(), words.begin(), words.end());
  const absl::Time begin = absl::Now();
  WEIR_ASSIGN_OR_RETURN(suite_, LabProcess::Start(argv, true));
  std::string said;
  // The welcome comes after the ready file.
  WEIR_RETURN_IF_ERROR(
      suite_->ReadLines(*signals_, begin + kStartTimeout, [this, &said](absl::string_view line) {
        absl::StrAppend(&said, line, "\n");
        if (absl::StrContains(line, "…")) Say(line);
        return absl::StartsWith(line, "Weir is up");
      }));
  std::ifstream file(ready_file);
  if (!file) return absl::InternalError(absl::StrCat("`weir up` did not start:\n", said));
  const Json ready = Json::parse(file, nullptr, false);
  if (ready.is_discarded()) return absl::InternalError(absl::StrCat(ready_file, " is not JSON"));
  start_time_ = absl::Now() - begin;
  const std::string queue = ready["queue"], runner = ready["runner"];
  gateway_ = ready["gateway"];
  setenv("WEIR_QUEUE_ENDPOINT", queue.c_str(), 1);
  setenv("WEIR_RUNNER_ENDPOINT", runner.c_str(), 1);
  Say(absl::StrCat("Ready after ", DurationText(absl::Trunc(start_time_, absl::Milliseconds(10))), ". To type along in another terminal:"));
  Say(absl::StrCat("$ export PATH=", fs::path(program_).parent_path().string(),
                   ":$PATH WEIR_QUEUE_ENDPOINT=", queue, " WEIR_RUNNER_ENDPOINT=", runner));
  return absl::OkStatus();
}

absl::Status Lab::ChooseProducer() {
  if (producer_ == Producer::kWeir) return absl::OkStatus();
  // Whatever whoever runs the lab has set up for AWS itself.
  for (const auto& [name, value] : {std::pair("AWS_ACCESS_KEY_ID", "test"), std::pair("AWS_SECRET_ACCESS_KEY", "test"),
                                    std::pair("AWS_DEFAULT_REGION", "us-east-1"), std::pair("AWS_PAGER", ""),
                                    std::pair("NO_PROXY", "127.0.0.1"), std::pair("no_proxy", "127.0.0.1")}) {
    setenv(name, value, 1);
  }
  for (const char* name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"}) unsetenv(name);
  WEIR_ASSIGN_OR_RETURN(const CommandResult version, RunProgram({"aws", "--version"}));
  by_aws_ = version.exit_code == 0;
  if (by_aws_) {
    Say(absl::StrCat("Orders will be sent by the aws CLI (", version.output.substr(0, version.output.find(' ')),
                     "), which needs some credentials, whatever they are:"));
    Say("$ export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1");
    return absl::OkStatus();
  }
  if (producer_ == Producer::kAws) {
    return absl::NotFoundError("`aws --version` failed: the aws CLI is not installed, or not in PATH (Debian: apt-get install awscli)");
  }
  Say("The aws CLI is not installed, so `weir send` sends the orders; `aws sqs send-message` would do as well.");
  return absl::OkStatus();
}

absl::Status Lab::CreateQueues() {
  Heading("Two queues: one for orders, and one for those that fail three times");
  WEIR_RETURN_IF_ERROR(Do({"queue", "create", kDeadLetterQueue}).status());
  WEIR_RETURN_IF_ERROR(Do({"queue", "create", kQueue, "--visibility-timeout", "60s", "--dead-letter-queue",
                           kDeadLetterQueue, "--max-receive-count", absl::StrCat(kMaxReceiveCount)})
                           .status());
  return absl::OkStatus();
}

absl::Status Lab::DeployAndMap() {
  Heading("A function that prints the orders it gets, and a mapping that feeds it");
  Say(absl::StrCat("$ cat ", folder_, "/order_consumer.py"));
  for (const absl::string_view line : absl::StrSplit(kOrderConsumer, '\n', absl::SkipEmpty())) Say(line);
  WEIR_RETURN_IF_ERROR(Deploy("order_consumer.py"));
  return Do({"mapping", "create", "--queue", kQueue, "--function", kFunction}).status();
}

absl::Status Lab::SendOneOrder() {
  Heading("An order arrives, and shows in the function's log");
  const absl::Time begin = absl::Now();
  WEIR_RETURN_IF_ERROR(SendOrder("Order123"));
  ++sent_;
  bool seen = false;
  WEIR_RETURN_IF_ERROR(FollowLog(begin, "", [&](absl::string_view text) {
    if (text == "Order123") {
      seen = true;
      first_order_time_ = absl::Now() - begin;
    }
    return seen && absl::StartsWith(text, "REPORT") ? Line::kShowAndEnd : Line::kShow;
  }));
  ++processed_;
  return absl::OkStatus();
}

absl::Status Lab::BreakFunction() {
  Heading("A version with a bug is deployed, and more orders arrive");
  Say(absl::StrCat("$ cat ", folder_, "/broken/order_consumer.py"));
  for (const absl::string_view line : absl::StrSplit(kBrokenOrderConsumer, '\n', absl::SkipEmpty())) Say(line);
  WEIR_RETURN_IF_ERROR(Deploy("broken/order_consumer.py"));
  Say("A message that fails is tried again after its visibility timeout. 60 s suits orders; so that you");
  Say("need not wait minutes, the lab shortens it to 2 s:");
  WEIR_RETURN_IF_ERROR(Do({"queue", "update", kQueue, "--visibility-timeout", "2s"}).status());
  const absl::Time begin = absl::Now();
  for (const std::string& order : FailingOrders()) {
    WEIR_RETURN_IF_ERROR(SendOrder(order));
    ++sent_;
  }
  Say("Each is tried three times:");
  std::map<std::string, int> tries;
  const int all = kMaxReceiveCount * static_cast<int>(FailingOrders().size());
  WEIR_RETURN_IF_ERROR(FollowLog(begin, "trying", [&](absl::string_view text) {
    if (!absl::StartsWith(text, "trying ")) return Line::kSkip;
    ++tries[std::string(text.substr(7))];
    return ++tries_of_failing_ == all ? Line::kShowAndEnd : Line::kShow;
  }));
  for (const std::string& order : FailingOrders()) {
    if (tries[order] != kMaxReceiveCount) {
      return absl::InternalError(absl::StrCat(order, " was tried ", tries[order], " times, not ", kMaxReceiveCount));
    }
  }
  dead_letter_time_ = absl::Now() - begin;
  return absl::OkStatus();
}

absl::Status Lab::AwaitDeadLetters() {
  Heading("After the third try they stand in the dead-letter queue");
  const absl::Time begin = absl::Now();
  WEIR_RETURN_IF_ERROR(AwaitStats(kDeadLetterQueue, "the orders that failed", [](const Json& stats) {
    return stats["ready"] == FailingOrders().size();
  }));
  dead_letter_time_ += absl::Now() - begin;
  return Do({"queue", "list"}).status();
}

absl::Status Lab::ShowDeadLetters() {
  Say("To look without taking them away, receive with visibility timeout 0. That counts as a receive too,");
  Say("so RECEIVES says 4: three tries and this look. FAILED IN is where they come from.");
  WEIR_ASSIGN_OR_RETURN(const std::string table, Do({"receive", kDeadLetterQueue, "--max", "10", "--visibility-timeout", "0"}));
  std::set<std::string> found;
  for (const absl::string_view line : absl::StrSplit(table, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> cells = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (cells.size() > 4 && cells[1] == absl::StrCat(kMaxReceiveCount + 1) && cells[4] == kQueue) found.insert(cells[0]);
  }
  dead_lettered_ = static_cast<int>(found.size());
  if (found != std::set<std::string>(FailingOrders().begin(), FailingOrders().end())) {
    return absl::InternalError(absl::StrCat(
        kDeadLetterQueue, " should hold ", absl::StrJoin(FailingOrders(), ", "),
        ", each received 4 times and from ", kQueue, "; it holds ", absl::StrJoin(found, ", ")));
  }
  return absl::OkStatus();
}

absl::Status Lab::FixAndRedrive() {
  Heading("The bug is fixed, and the failed orders go back to where they came from");
  WEIR_RETURN_IF_ERROR(Deploy("order_consumer.py"));
  const absl::Time begin = absl::Now();
  WEIR_ASSIGN_OR_RETURN(const std::string moved, Do({"redrive", kDeadLetterQueue}));
  redriven_ = dead_lettered_;
  if (!absl::StrContains(moved, absl::StrCat("Moved ", redriven_, " of ", redriven_))) {
    return absl::InternalError("the redrive did not move all messages");
  }
  std::set<std::string> missing(FailingOrders().begin(), FailingOrders().end());
  WEIR_RETURN_IF_ERROR(FollowLog(begin, "Order", [&](absl::string_view text) {
    if (missing.erase(std::string(text)) == 0) return Line::kSkip;
    ++processed_;
    return missing.empty() ? Line::kShowAndEnd : Line::kShow;
  }));
  redrive_time_ = absl::Now() - begin;
  return absl::OkStatus();
}

absl::Status Lab::CheckQueuesAreEmpty() {
  Heading("Nothing is left");
  for (const char* queue : {kQueue, kDeadLetterQueue}) {
    WEIR_RETURN_IF_ERROR(AwaitStats(queue, "no message", [](const Json& stats) {
      return stats["ready"] == 0 && stats["in_flight"] == 0 && stats["delayed"] == 0;
    }));
  }
  return Do({"queue", "list"}).status();
}

void Lab::Summarise() const {
  const auto time = [](absl::Duration duration) {
    return absl::StrFormat("%.2f s", absl::ToDoubleSeconds(duration));
  };
  const int retried = tries_of_failing_ - static_cast<int>(FailingOrders().size());
  Print("\nSummary\n");
  Print(FormatFields(
      {{"   messages sent", absl::StrCat(sent_)},
       {"   processed", absl::StrCat(processed_)},
       {"   retried", absl::StrCat(retried, " times (", FailingOrders().size(), " orders, ", kMaxReceiveCount,
                                   " tries each)")},
       {"   dead-lettered", absl::StrCat(dead_lettered_)},
       {"   redriven", absl::StrCat(redriven_)},
       {"   start of all services", time(start_time_)},
       {by_aws_ ? "   aws CLI to log, cold function" : "   send to log, cold function", time(first_order_time_)},
       {"   three tries to dead letters", time(dead_letter_time_)},
       {"   redrive to processed", time(redrive_time_)},
       {"   whole lab", time(absl::Now() - started_)}}));
  Print("\nNext: `weir up` keeps a suite running in ./.weir; `weir --help` shows all commands.\n");
}

// A word as a shell reads it.
std::string Quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,") == std::string::npos;
  return plain ? word : absl::StrCat("'", word, "'");
}

void Lab::ShowCommand(const std::vector<std::string>& words, absl::string_view suffix, absl::string_view program) const {
  std::string line = absl::StrCat("$ ", program);
  for (const std::string& word : words) absl::StrAppend(&line, " ", Quoted(word));
  Say(absl::StrCat(line, suffix));
}

absl::StatusOr<CommandResult> Lab::RunHidden(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {program_};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv);
}

absl::StatusOr<CommandResult> Lab::RunProgram(const std::vector<std::string>& argv) const {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<LabProcess> process, LabProcess::Start(argv, false));
  CommandResult result;
  WEIR_RETURN_IF_ERROR(
      process->ReadLines(*signals_, absl::Now() + kStepTimeout, [&result](absl::string_view line) {
        absl::StrAppend(&result.output, line, "\n");
        return false;
      }));
  result.exit_code = process->Await(kStepTimeout);
  return result;
}

absl::StatusOr<CommandResult> Lab::Try(const std::vector<std::string>& words) const {
  ShowCommand(words);
  WEIR_ASSIGN_OR_RETURN(CommandResult result, RunHidden(words));
  for (const absl::string_view line : absl::StrSplit(result.output, '\n', absl::SkipEmpty())) Say(line);
  return result;
}

absl::StatusOr<std::string> Lab::Do(const std::vector<std::string>& words) const {
  WEIR_ASSIGN_OR_RETURN(CommandResult result, Try(words));
  if (result.exit_code == 0) return std::move(result.output);
  return absl::InternalError(absl::StrCat("`weir ", absl::StrJoin(words, " "), "` ended with exit code ", result.exit_code));
}

absl::Status Lab::DoByAws(const std::vector<std::string>& words) const {
  ShowCommand(words, "", "aws");
  std::vector<std::string> argv = {"aws"};
  argv.insert(argv.end(), words.begin(), words.end());
  WEIR_ASSIGN_OR_RETURN(const CommandResult result, RunProgram(argv));
  for (const absl::string_view line : absl::StrSplit(result.output, '\n', absl::SkipEmpty())) Say(line);
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("`aws ", absl::StrJoin(words, " "), "` ended with exit code ", result.exit_code));
}

absl::Status Lab::SendOrder(const std::string& order) const {
  if (!by_aws_) return Do({"send", kQueue, order}).status();
  return DoByAws({"--endpoint-url", gateway_, "sqs", "send-message", "--queue-url",
                  absl::StrCat(gateway_, "/000000000000/", kQueue), "--message-body", order});
}

absl::StatusOr<Json> Lab::Ask(std::vector<std::string> words) const {
  words.insert(words.end(), {"--output", "json"});
  WEIR_ASSIGN_OR_RETURN(const CommandResult result, RunHidden(words));
  Json document = Json::parse(result.output, nullptr, false);
  if (result.exit_code == 0 && !document.is_discarded()) return document;
  return absl::InternalError(absl::StrCat("`weir ", absl::StrJoin(words, " "), "` ended with exit code ",
                                          result.exit_code, ": ", result.output));
}

absl::Status Lab::Deploy(const std::string& file) {
  const auto words = [&] {
    return std::vector<std::string>{"function", "deploy", kFunction, "--runtime", runtime_, "--handler",
                                    "order_consumer.lambda_handler", "--timeout", "2s", "--file", absl::StrCat(folder_, "/", file)};
  };
  WEIR_ASSIGN_OR_RETURN(const CommandResult result, Try(words()));
  if (result.exit_code == 0) return absl::OkStatus();
  if (runtime_ != kRuntime || !absl::StrContains(result.output, "RUNTIME_UNAVAILABLE")) {
    return absl::InternalError("the function could not be deployed");
  }
  WEIR_ASSIGN_OR_RETURN(runtime_, NewestPython());
  Say(absl::StrCat(kRuntime, " is not on this machine; the lab takes the newest Python that is, ", runtime_, ":"));
  return Do(words()).status();
}

absl::StatusOr<std::string> Lab::NewestPython() const {
  WEIR_ASSIGN_OR_RETURN(const Json document, Ask({"runtime", "list"}));
  std::string newest;
  int newest_minor = -1;
  for (const Json& runtime : document["runtimes"]) {
    const std::string name = runtime["name"];
    int minor = 0;
    if (runtime["available"] == true && absl::StartsWith(name, "python3.") &&
        absl::SimpleAtoi(name.substr(8), &minor) && minor > newest_minor) {
      newest = name;
      newest_minor = minor;
    }
  }
  if (newest.empty()) return absl::NotFoundError("no Python was found on this machine");
  return newest;
}

absl::Status Lab::FollowLog(absl::Time since, absl::string_view filter,
                            const std::function<Line(absl::string_view)>& wanted) const {
  // A second more than has passed: the command takes a moment to start. Lines of before are told apart by their text.
  const int64_t seconds = 1 + absl::ToInt64Seconds(absl::Ceil(absl::Now() - since, absl::Seconds(1)));
  const std::vector<std::string> words = {"function", "logs", kFunction, "-f", "--since", absl::StrCat(seconds, "s")};
  ShowCommand(words, filter.empty() ? "" : absl::StrCat(" | grep ", filter));
  std::vector<std::string> argv = {program_};
  argv.insert(argv.end(), words.begin(), words.end());
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<LabProcess> process, LabProcess::Start(argv, false));
  bool complete = false;
  const absl::Status status =
      process->ReadLines(*signals_, absl::Now() + kStepTimeout, [&](absl::string_view line) {
        const size_t gap = line.find("  ");
        const Line verdict = wanted(gap == absl::string_view::npos ? line : line.substr(gap + 2));
        if (verdict != Line::kSkip) Say(line);
        complete = verdict == Line::kShowAndEnd;
        return complete;
      });
  if (status.ok() && complete) {
    Say("^C");
    process->Signal(SIGINT);
    process->Await(absl::Seconds(5));
    return absl::OkStatus();
  }
  WEIR_RETURN_IF_ERROR(status);
  return absl::InternalError("the function's log ended before the lines that the lab waits for");
}

absl::Status Lab::AwaitStats(const std::string& queue, absl::string_view what,
                             const std::function<bool(const Json&)>& wanted) const {
  const absl::Time deadline = absl::Now() + kStepTimeout;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const Json document, Ask({"queue", "describe", queue}));
    if (wanted(document["stats"])) return absl::OkStatus();
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("queue ", queue, " should hold ", what, ", but its counts are ",
                                                      document["stats"].dump()));
    }
    if (signals_->AwaitFor(kPollPause)) return absl::CancelledError("interrupted");
  }
}

void Lab::StopSuite() {
  if (suite_ == nullptr) return;
  suite_->Signal(SIGTERM);
  if (suite_->Await(absl::Seconds(30)) < 0) Say("`weir up` did not end; it is killed.");
  suite_.reset();
}

}  // namespace

void AddLabCommand(CLI::App& app, Session& session) {
  CLI::App* lab = app.add_subcommand("lab", "Watch an order go through a queue into a function");
  auto keep = std::make_shared<bool>(false);
  lab->add_flag("--keep", *keep, "Keep the folder with the data, the log and the functions");
  auto producer = std::make_shared<Producer>(Producer::kAwsIfThere);
  const std::map<std::string, Producer> producers = {
      {"auto", Producer::kAwsIfThere}, {"aws", Producer::kAws}, {"weir", Producer::kWeir}};
  lab->add_option("--producer", *producer, "Who sends the orders: aws (the aws CLI), weir, or auto: aws if it is installed")
      ->type_name("NAME")->transform(CLI::CheckedTransformer(producers).description("auto|aws|weir"))->default_str("auto");
  SetExamples(*lab, {"weir lab", "weir lab --producer weir"});
  lab->callback([&session, keep, producer] {
    session.action = [keep, producer]() -> absl::StatusOr<ExitCode> {
      Lab run(*keep, *producer);
      WEIR_RETURN_IF_ERROR(run.Run());
      return ExitCode::kOk;
    };
  });
}

}  // namespace weir::cli
