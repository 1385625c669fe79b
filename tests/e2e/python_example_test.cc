// The Python example of the README, with stubs that are generated on the spot, against a real `weir up`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/fault/weir_up.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/program.h"

namespace weir {
namespace {

class PythonExampleTest : public testing::Test {
 protected:
  // The whole output of a program that must end in time.
  std::string Run(std::vector<std::string> argv, absl::Duration limit) {
    const std::string output = absl::StrCat(dir_.path(), "/output-", runs_++);
    auto program = Program::Start({.argv = std::move(argv),
                                   .environment = {{"WEIR_STUBS", dir_.path() + "/stubs"}},
                                   .output_path = output});
    EXPECT_TRUE(program.ok()) << program.status();
    if (program.ok()) {
      EXPECT_TRUE((*program)->AwaitExit(limit)) << "It does not end; it wrote:\n" << TailOf(output);
    }
    return TailOf(output, 100'000);
  }

  TempDir dir_;
  int runs_ = 0;
};

TEST_F(PythonExampleTest, TakesAnOrderThroughAQueueAndIntoAFunctionAgainAndAgain) {
  const std::string example = WEIR_SOURCE_DIR "/examples/python";
  EXPECT_EQ(Run({example + "/generate_stubs.sh", dir_.path() + "/stubs"}, absl::Seconds(30)), "");

  WeirUp up(dir_.path());
  ASSERT_TRUE(up.Launch().ok());
  const absl::Status ready = up.AwaitReady();
  ASSERT_TRUE(ready.ok()) << ready;
  // The second time everything that it makes is there already.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Run({"/usr/bin/python3", example + "/order_flow.py", up.endpoint("queue"),
                     up.endpoint("runner")},
                    absl::Seconds(60)),
                testing::MatchesRegex("sent [0-9a-f-]+\n"
                                      "received Order123 for the 1. time\n"
                                      "log: START .*\n"
                                      "log: Order123\n"));
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Run({"/usr/bin/python3", example + "/streams.py", up.endpoint("queue")}, absl::Seconds(60)),
              "consumed 1000\n");
  }
  EXPECT_TRUE(up.Interrupt()) << up.Output();
}

}  // namespace
}  // namespace weir
