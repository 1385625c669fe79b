// SIGINT and SIGTERM as something to wait for, not as interruptions.
#pragma once

namespace weir::runtime {

// Blocks SIGINT and SIGTERM in this thread and in every thread that it starts afterwards, and ignores SIGPIPE.
// REQUIRES: called by main before any other thread exists.
void BlockTerminationSignals();

// Waits until one of them arrives, and answers which.
int WaitForTerminationSignal();

}  // namespace weir::runtime
