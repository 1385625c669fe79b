// What functions consist of: checked at deployment, unpacked before a worker starts.
//
// Free functions without state; thread-safe. Archives come from strangers: nothing is written
// outside of the target folder, and no more than kCodeUnpackedBytesMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "services/runner/core/types.h"

namespace weir::runner::engine {

inline constexpr int64_t kZipBytesMax = int64_t{50} << 20;
inline constexpr int64_t kCodeUnpackedBytesMax = int64_t{250} << 20;
inline constexpr size_t kZipEntriesMax = 50'000;
inline constexpr size_t kInlineFilesMax = 100;
inline constexpr int64_t kInlineBytesMax = int64_t{4} << 20;

// OK: UnpackCode will succeed with it, given room on the disk. CODE_TOO_LARGE or CODE_INVALID
// otherwise, with a sentence that names the file and what is wrong with it. Reads a zip archive
// through to its end, which takes up to a second.
absl::Status CheckCode(const core::FunctionCode& code);

// Lower-case hexadecimal, as function.proto defines Function.code_sha256.
std::string CodeSha256(const core::FunctionCode& code);

// Function.code_bytes: of the zip, or of the inline files together.
int64_t CodeBytes(const core::FunctionCode& code);

// Writes the files under `folder`, which exists and is empty. Folders and programs get mode 0755,
// other files 0644. On an error the folder holds a part of the files.
absl::Status UnpackCode(const core::FunctionCode& code, const std::string& folder);

}  // namespace weir::runner::engine
