// Schema migrations: the numbered SQL files of a component, applied once each, in order, under a lock.
//
// Safe with several replicas that start at once: one applies, the others wait and find it done. A database whose schema is newer than
// this binary is refused, as is one in which an applied migration differs from ours.
//
// Each migration runs in a transaction of its own together with its entry in weir_meta.schema_migrations, so a crash leaves it
// applied whole or not at all.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/pg/pool.h"

namespace weir::pg {

// Embedded by the CMake function weir_embed_sql.
struct Migration {
  int version = 0;  // 1, 2, … without gaps
  absl::string_view name;
  absl::string_view sql;
};

// Brings `component` up to the last of `migrations`. FAILED_PRECONDITION when the schema is newer than they are or differs.
absl::Status Migrate(Pool& pool, absl::string_view component,
                     absl::Span<const Migration> migrations, absl::Time deadline);

}  // namespace weir::pg
