// Real clients of SQS against a real `weir up`; the scripts that are run have the cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fault/weir_up.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/program.h"

namespace weir {
namespace {

constexpr char kScripts[] = WEIR_SOURCE_DIR "/tests/e2e/";

class SqsClientsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(up_.Launch().ok());
    const absl::Status ready = up_.AwaitReady();
    ASSERT_TRUE(ready.ok()) << ready;
  }
  void TearDown() override { EXPECT_TRUE(up_.Interrupt()) << up_.Output(); }

  std::string Gateway() const { return up_.endpoint("gateway"); }

  // What the program said. Its exit code is not known, so its last words are to tell.
  std::string Run(const std::vector<std::string>& argv) {
    const std::string output = absl::StrCat(dir_.path(), "/clients.log");
    // No configuration of whoever runs the test.
    auto clients = Program::Start({.argv = argv,
                                   .environment = {{"HOME", dir_.path()},
                                                   {"NO_PROXY", "*"},
                                                   {"no_proxy", "*"},
                                                   {"AWS_ACCESS_KEY_ID", "test"},
                                                   {"AWS_SECRET_ACCESS_KEY", "secret"},
                                                   {"AWS_DEFAULT_REGION", "us-east-1"},
                                                   {"AWS_EC2_METADATA_DISABLED", "true"},
                                                   {"WEIR_GATEWAY", Gateway()}},
                                   .output_path = output});
    EXPECT_TRUE(clients.ok()) << clients.status();
    if (!clients.ok()) return "";
    EXPECT_TRUE((*clients)->AwaitExit(absl::Seconds(100)));
    return TailOf(output);
  }

  TempDir dir_;
  WeirUp up_{dir_.path()};
};

TEST_F(SqsClientsTest, BotoAndJsonWorkUnchanged) {
  EXPECT_THAT(Run({"/usr/bin/python3", absl::StrCat(kScripts, "sqs_clients.py"), Gateway()}), testing::EndsWith("\nOK\n"));
}

TEST_F(SqsClientsTest, EveryAwsCliWorksUnchanged) {
  EXPECT_THAT(Run({"/usr/bin/python3", absl::StrCat(kScripts, "aws_cli.py"), Gateway()}), testing::EndsWith("\nOK\n"));
}

TEST_F(SqsClientsTest, JavaScriptSdkAndConsumerWorkUnchanged) {
  // The packages beside it are brought by the test sqs_js_packages.
  const std::string output = Run({WEIR_NODE, "--test", "--test-reporter=tap", WEIR_JS_FOLDER "/sqs_clients.test.mjs"});
  EXPECT_THAT(output, testing::ContainsRegex("# pass [1-9]"));
  EXPECT_THAT(output, testing::HasSubstr("# fail 0"));
}

}  // namespace
}  // namespace weir
