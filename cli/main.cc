// weir: the command line of Weir, and with `weir up` all its services in one process.
#include <cstdio>
#include <exception>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/version.gen.h"

namespace weir::cli {
namespace {

int Report(const absl::Status& status) {
  std::fprintf(stderr, "weir: %s\n", Describe(status).c_str());
  return static_cast<int>(ExitCodeOf(status));
}

int ReportUsage(const CLI::App& app, const CLI::ParseError& error) {
  // Help and version are "errors" that succeed.
  if (error.get_exit_code() == 0) return app.exit(error);
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::string name = command->get_name();
  for (const CLI::App* up = command->get_parent(); up != nullptr; up = up->get_parent()) {
    name = absl::StrCat(up->get_name(), " ", name);
  }
  std::fprintf(stderr, "weir: %s\nSee `%s --help`.\n", error.what(), name.c_str());
  return static_cast<int>(ExitCode::kUsage);
}

int Main(int argc, char** argv) {
  CLI::App app;
  Session session;
  BuildApp(app, session);
  app.set_version_flag("-V,--version", absl::StrCat("weir ", kVersion));
  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->callback([&session] {
    session.action = [&session]() -> absl::StatusOr<ExitCode> {
      session.PrintResult({{"version", kVersion}}, absl::StrCat("weir ", kVersion, "\n"));
      return ExitCode::kOk;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportUsage(app, error);
  }
  const absl::StatusOr<ExitCode> result = session.action();
  return result.ok() ? static_cast<int>(*result) : Report(result.status());
}

}  // namespace
}  // namespace weir::cli

int main(int argc, char** argv) { return weir::cli::Main(argc, argv); }
