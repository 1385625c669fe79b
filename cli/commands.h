// The commands of `weir`, a file each noun. Each function adds its part of the tree to `app`; the session must outlive it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/session.h"

namespace weir::cli {

void AddUpCommand(CLI::App& app, Session& session);
void AddLabCommand(CLI::App& app, Session& session);
void AddAccessKeyCommands(CLI::App& app, Session& session);
void AddQueueCommands(CLI::App& app, Session& session);
void AddMessageCommands(CLI::App& app, Session& session);  // send, receive, ack, nack
void AddPeekCommand(CLI::App& queue, Session& session);    // a part of weir queue, as is the next
void AddPermissionCommands(CLI::App& queue, Session& session);
void AddTraceCommand(CLI::App& app, Session& session);
void AddStreamCommands(CLI::App& app, Session& session);   // produce, consume
void AddRedriveCommands(CLI::App& app, Session& session);
void AddClusterCommands(CLI::App& app, Session& session);
void AddFunctionCommands(CLI::App& app, Session& session);
void AddRuntimeCommands(CLI::App& app, Session& session);
void AddMappingCommands(CLI::App& app, Session& session);
void AddCompletionCommands(CLI::App& app, Session& session);

// The whole tree with the options of every command: what main parses, and what completion walks.
void BuildApp(CLI::App& app, Session& session);

// Names of types in help; completion offers names of queues for kQueueType, and so on.
inline constexpr char kQueueType[] = "QUEUE";
inline constexpr char kFunctionType[] = "FUNCTION";
inline constexpr char kRuntimeType[] = "RUNTIME";
inline constexpr char kDurationType[] = "DURATION";

// An option whose value is a duration, in the notation of ParseDuration.
CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& value,
                         const std::string& description);
// The examples of a command, for the end of its help.
void SetExamples(CLI::App& app, const std::vector<std::string>& examples);

}  // namespace weir::cli
