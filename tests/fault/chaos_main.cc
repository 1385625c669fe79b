// weir-chaos: breaks a cluster of weir-queue in every way it knows while clients use it, and checks that no promise was broken.
//
//   weir-chaos --minutes 120                  rounds for so long, from a random seed that is printed
//   weir-chaos --rounds 1 --seed 4711         one round again
//
// Exit code 0: no promise was broken. Else the folder with history and logs is kept and named.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/fault/chaos.h"

namespace {

// PostgreSQL's user must be able to enter it, and its Unix socket's path is short.
std::string MakeFolder() {
  std::string name = "/tmp/weir-chaos-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    std::perror("weir-chaos: cannot make a folder in /tmp");
    std::exit(2);
  }
  std::filesystem::permissions(name, std::filesystem::perms::owner_all |
                                         std::filesystem::perms::group_exec |
                                         std::filesystem::perms::others_exec);
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  weir::Chaos::Options options;
  options.seed = std::random_device()();
  int minutes = 0;
  int round_seconds = 60;

  CLI::App app("Breaks a cluster of weir-queue while clients use it, and checks every promise.", "weir-chaos");
  app.add_option("--seed", options.seed, "Of the first round; the next rounds have the numbers that follow")
      ->envname("WEIR_SEED");
  app.add_option("--rounds", options.rounds, "How many rounds")->capture_default_str();
  app.add_option("--minutes", minutes, "As many rounds as fill this time");
  app.add_option("--round-seconds", round_seconds, "How long faults come in a round")->capture_default_str();
  app.add_option("--replicas", options.replicas, "Replicas of weir-queue")->capture_default_str();
  app.add_flag("--fifo,!--no-fifo", options.fifo, "FIFO queues among the others")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.round_time = absl::Seconds(round_seconds);
  if (minutes > 0) options.rounds = std::max(1, minutes * 60 / round_seconds);
  options.folder = MakeFolder();

  const absl::Status status = weir::Chaos(options).Run();
  if (!status.ok()) {
    std::printf("%s\n", std::string(status.message()).c_str());
    std::printf("weir-chaos: failed; everything is kept in %s\n", options.folder.c_str());
    return 1;
  }
  std::filesystem::remove_all(options.folder);
  std::printf("weir-chaos: no promise was broken in %d rounds\n", options.rounds);
  return 0;
}
