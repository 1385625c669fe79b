// How many files and connections this process may have open.
#pragma once

namespace weir::runtime {

// Raises the limit as far as the system allows without more rights; many systems begin with 1,024, which a server of long polls needs
// more than. Programs that this process starts have the limit too.
void RaiseOpenFilesLimit();

}  // namespace weir::runtime
