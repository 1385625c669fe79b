#include "cli/output.h"

#include <gtest/gtest.h>

#include "cli/exit_code.h"
#include "libs/base/error.h"

namespace weir::cli {
namespace {

TEST(TableTest, AlignsColumnsAndLeavesNoTrailingSpace) {
  Table table({"NAME", "READY", "DLQ"});
  table.AddRow({"orders", "12", ""});
  table.AddRow({"o", "3", "orders-dlq"});
  EXPECT_EQ(table.ToString(),
            "NAME    READY  DLQ\n"
            "orders  12     -\n"
            "o       3      orders-dlq\n");
}

TEST(TableTest, CountsCharactersNotBytes) {
  Table table({"A", "B"});
  table.AddRow({"Größe", "1"});
  table.AddRow({"x", "2"});
  EXPECT_EQ(table.ToString(), "A      B\nGröße  1\nx      2\n");
}

TEST(TableTest, AMessageCannotSpeakToTheTerminal) {
  EXPECT_EQ(Printable("a\nb\t\x1b[2J\x7f"), "a\\nb\\t\\x1b[2J\\x7f");
  EXPECT_EQ(Printable("\xff|\xc2\x9b|\xe2\x82"), "\\xff|\\xc2\\x9b|\\xe2\\x82");
  EXPECT_EQ(Printable("Größe €"), "Größe €");
}

TEST(FieldsTest, StandUnderEachOther) {
  EXPECT_EQ(FormatFields({{"Name", "orders"}, {"Dead-letter queue", ""}}),
            "Name               orders\nDead-letter queue  -\n");
}

TEST(JsonTest, KeepsTheOrderOfFieldsAndReplacesWhatIsNoUtf8) {
  EXPECT_EQ(FormatJsonLine({{"b", 1}, {"a", nullptr}}), "{\"b\":1,\"a\":null}\n");
  EXPECT_EQ(FormatJsonLine({{"body", "\xff"}}), "{\"body\":\"\xEF\xBF\xBD\"}\n");
}

TEST(ExitCodeTest, TellsWhatACallerDoesNext) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(UsageError("no")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("no")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("no")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("no")), ExitCode::kUnreachable);
  const absl::Status missing = MakeError(ErrorReason::kQueueDoesNotExist, "Queue \"a\" does not exist.");
  EXPECT_EQ(ExitCodeOf(missing), ExitCode::kRefused);
  EXPECT_EQ(Describe(missing), "QUEUE_DOES_NOT_EXIST: Queue \"a\" does not exist.");
}

}  // namespace
}  // namespace weir::cli
