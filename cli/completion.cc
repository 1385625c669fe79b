#include "cli/completion.h"

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"

namespace weir::cli {
namespace {

// Names are asked for while somebody waits for the shell.
constexpr absl::Duration kNamesTimeout = absl::Seconds(1);
constexpr char kHidden[] = "__complete";

constexpr char kBashScript[] = R"sh(# Completion of weir for bash:  source <(weir completion bash)
_weir() {
  local IFS=$'\n' current="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$current"))
}
complete -o bashdefault -o default -F _weir weir
)sh";

constexpr char kZshScript[] = R"sh(#compdef weir
# Completion of weir for zsh:  source <(weir completion zsh)
_weir() {
  local -a candidates
  candidates=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=(${candidates:#})
  if (( ${#candidates} )); then compadd -- "${candidates[@]}"; else _files; fi
}
compdef _weir weir
)sh";

constexpr char kFishScript[] = R"sh(# Completion of weir for fish:  weir completion fish | source
function __weir_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c weir -a '(__weir_complete)'
)sh";

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// "--name" or "-n" of this command or one above it.
const CLI::Option* FindOption(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    const CLI::Option* option = app->get_option_no_throw(name);
    if (option != nullptr && !option->get_positional()) return option;
  }
  return nullptr;
}

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&name](const CLI::App* command) { return command->check_name(name); });
  return found.empty() ? nullptr : found.front();
}

// Where the words before the last one lead.
struct Place {
  const CLI::App* app;
  const CLI::Option* awaited = nullptr;  // the last word is this option's value
  size_t positionals = 0;                // of `app`, that are there already
  bool only_positionals = false;         // after "--"
};

Place Walk(const CLI::App& root, const std::vector<std::string>& words) {
  Place place{.app = &root};
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (place.awaited != nullptr) {
      place.awaited = nullptr;
    } else if (word == "--") {
      place.only_positionals = true;
    } else if (!place.only_positionals && word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = FindOption(place.app, word);
      if (option != nullptr && TakesValue(*option)) place.awaited = option;
    } else if (const CLI::App* command = FindCommand(*place.app, word);
               command != nullptr && place.positionals == 0) {
      place.app = command;
    } else {
      ++place.positionals;
    }
  }
  return place;
}

void AddValues(const CLI::Option& option, const NameSource& names, std::set<std::string>& out) {
  for (const std::string& name : names(option.get_type_name())) out.insert(name);
  if (option.check_lname("output")) out.insert({"json", "table"});
  if (option.check_lname("log-level")) out.insert({"debug", "error", "info", "warning"});
  if (option.get_name() == "shell") out.insert({"bash", "fish", "zsh"});
}

void AddFlags(const CLI::App* app, std::set<std::string>& out) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) out.insert("--" + name);
    }
  }
}

// The option for the next positional argument; the last one may be repeated.
const CLI::Option* NextPositional(const Place& place) {
  const CLI::Option* last = nullptr;
  size_t index = 0;
  for (const CLI::Option* option : place.app->get_options()) {
    if (!option->get_positional()) continue;
    last = option;
    if (index++ == place.positionals) return option;
  }
  return last != nullptr && last->get_items_expected_max() > 1 ? last : nullptr;
}

std::vector<std::string> NamesOf(Session& session, absl::string_view type) {
  session.timeout = kNamesTimeout;
  std::vector<std::string> names;
  if (type == kQueueType) {
    queue::v1::ListQueuesRequest request;
    *request.mutable_namespace_() = session.Namespace();
    const auto response =
        session.Call(session.queue_stub(), &queue::v1::QueueService::Stub::ListQueues, request);
    // A service that isn't there has no names to offer.
    if (response.ok()) for (const auto& queue : response->queues()) names.push_back(queue.name());
  } else if (type == kFunctionType) {
    runner::v1::ListFunctionsRequest request;
    *request.mutable_namespace_() = session.Namespace();
    const auto response =
        session.Call(session.runner_stub(), &runner::v1::RunnerService::Stub::ListFunctions, request);
    if (response.ok()) for (const auto& function : response->functions()) names.push_back(function.name());
  } else if (type == kRuntimeType) {
    const auto response = session.Call(session.runner_stub(), &runner::v1::RunnerService::Stub::ListRuntimes,
                                       runner::v1::ListRuntimesRequest());
    if (response.ok()) {
      for (const auto& runtime : response->runtimes()) if (runtime.available()) names.push_back(runtime.name());
    }
  }
  return names;
}

}  // namespace

std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const NameSource& names) {
  if (words.empty()) return {};
  const Place place = Walk(app, words);
  const std::string& last = words.back();
  std::set<std::string> candidates;
  if (place.awaited != nullptr) {
    AddValues(*place.awaited, names, candidates);
  } else if (!place.only_positionals && absl::StartsWith(last, "-")) {
    AddFlags(place.app, candidates);
  } else {
    if (place.positionals == 0 && !place.only_positionals) {
      for (const CLI::App* command : place.app->get_subcommands([](const CLI::App*) { return true; })) {
        if (!command->get_group().empty()) candidates.insert(command->get_name());
      }
    }
    if (const CLI::Option* next = NextPositional(place); next != nullptr) {
      AddValues(*next, names, candidates);
    }
  }
  std::vector<std::string> result;
  for (const std::string& candidate : candidates) {
    if (absl::StartsWith(candidate, last)) result.push_back(candidate);
  }
  return result;
}

std::string CompletionScript(absl::string_view shell) {
  if (shell == "bash") return kBashScript;
  if (shell == "zsh") return kZshScript;
  if (shell == "fish") return kFishScript;
  return "";
}

void AddCompletionCommands(CLI::App& app, Session& session) {
  CLI::App* completion = app.add_subcommand("completion", "Print the script that completes commands in a shell");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()->type_name("SHELL")->check(CLI::IsMember({"bash", "zsh", "fish"}));
  SetExamples(*completion, {"source <(weir completion bash)", "weir completion zsh > ~/.zfunc/_weir",
                            "weir completion fish > ~/.config/fish/completions/weir.fish"});
  completion->callback([&session, shell] {
    session.action = [shell]() -> absl::StatusOr<ExitCode> {
      Print(CompletionScript(*shell));
      return ExitCode::kOk;
    };
  });

  CLI::App* complete = app.add_subcommand(kHidden, "Print candidates for the last word")->group("");
  auto words = std::make_shared<std::vector<std::string>>();
  complete->add_option("words", *words, "The words after weir, after a --");
  complete->callback([&app, &session, words] {
    session.action = [&app, &session, words]() -> absl::StatusOr<ExitCode> {
      std::string text;
      for (const std::string& candidate :
           Complete(app, *words, [&session](absl::string_view type) { return NamesOf(session, type); })) {
        absl::StrAppend(&text, candidate, "\n");
      }
      Print(text);
      return ExitCode::kOk;
    };
  });
}

}  // namespace weir::cli
