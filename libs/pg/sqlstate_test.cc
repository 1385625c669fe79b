#include "libs/pg/sqlstate.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "libs/base/error.h"

namespace weir::pg {
namespace {

TEST(SqlStateTest, SortsByWhatTheCallerMustDo) {
  for (const char* state : {"", "08006", "57P01", "57P02", "57P03", "25006", "53300"}) {
    EXPECT_EQ(ReasonOf(StatusOfSqlState(state, "x")), ErrorReason::kStoreUnavailable) << state;
  }
  EXPECT_TRUE(absl::IsAborted(StatusOfSqlState("40001", "x")));
  EXPECT_TRUE(absl::IsAborted(StatusOfSqlState("40P01", "x")));
  EXPECT_TRUE(absl::IsAlreadyExists(StatusOfSqlState("23505", "x")));
  EXPECT_TRUE(absl::IsInternal(StatusOfSqlState("42P01", "relation does not exist")));
}

TEST(SqlStateTest, OtherExceptionsAreInternal) {
  absl::Status status;
  try {
    throw std::runtime_error("boom");
  } catch (...) {
    status = TranslateException();
  }
  EXPECT_TRUE(absl::IsInternal(status));
}

TEST(SqlStateTest, InDoubtIsItsOwnCase) {
  EXPECT_TRUE(IsInDoubt(InDoubtError("x")));
  EXPECT_FALSE(IsInDoubt(StatusOfSqlState("08006", "x")));
}

}  // namespace
}  // namespace weir::pg
