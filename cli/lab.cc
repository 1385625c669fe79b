#include "cli/commands.h"
namespace weir::cli {
void AddLabCommand(CLI::App&, Session&) {}
}  // namespace weir::cli
