// Real clients of SQS against a real `weir up`: sqs_clients.py has the cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/fault/weir_up.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/program.h"

namespace weir {
namespace {

TEST(SqsClientsTest, WorkUnchanged) {
  TempDir dir;
  WeirUp up(dir.path());
  ASSERT_TRUE(up.Launch().ok());
  const absl::Status ready = up.AwaitReady();
  ASSERT_TRUE(ready.ok()) << ready;
  const std::string output = absl::StrCat(dir.path(), "/clients.log");
  // No configuration of whoever runs the test.
  auto clients = Program::Start({.argv = {"/usr/bin/python3", WEIR_SOURCE_DIR "/tests/e2e/sqs_clients.py", up.endpoint("gateway")},
                                 .environment = {{"HOME", dir.path()}, {"NO_PROXY", "*"}, {"no_proxy", "*"}},
                                 .output_path = output});
  ASSERT_TRUE(clients.ok()) << clients.status();
  ASSERT_TRUE((*clients)->AwaitExit(absl::Seconds(100))) << TailOf(output);
  EXPECT_THAT(TailOf(output), testing::EndsWith("\nOK\n"));
  EXPECT_TRUE(up.Interrupt()) << up.Output();
}

}  // namespace
}  // namespace weir
