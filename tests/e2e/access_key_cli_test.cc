// The real binary: `weir access-key`, which works on files and needs no service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/shell.h"

namespace weir {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class AccessKeyCliTest : public testing::Test {
 protected:
  // A command line as a shell reads it, without "weir access-key", in a folder of the test's own.
  ShellOutcome AccessKey(const std::string& command) const {
    return RunShell(absl::StrCat("cd ", dir_.path(), " && " WEIR_BIN_DIR "/weir access-key ", command), dir_.path() + "/stderr");
  }

  json Json(const std::string& command) const {
    const ShellOutcome outcome = AccessKey(command + " -o json");
    EXPECT_EQ(outcome.exit_code, 0) << command << ": " << outcome.err;
    return json::parse(outcome.out, nullptr, false);
  }

  TempDir dir_;
};

TEST_F(AccessKeyCliTest, AKeyIsCreatedListedDisabledAndEnabled) {
  const json made = Json("create --account 111122223333 --description 'the shop'");
  const std::string id = made["id"];
  const std::string secret = made["secret"];
  EXPECT_THAT(id, MatchesRegex("AKIA[A-Z2-7]{16}"));
  EXPECT_EQ(secret.size(), 40u);
  EXPECT_EQ(made["account"], "111122223333");
  EXPECT_EQ(made["state"], "enabled");
  EXPECT_EQ(made["file"], ".weir/access-keys.json");
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/.weir/access-keys.master"));

  const json listed = Json("list")["access_keys"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["id"], id);
  EXPECT_EQ(listed[0]["description"], "the shop");
  EXPECT_FALSE(listed[0].contains("secret"));
  EXPECT_THAT(AccessKey("list").out, AllOf(HasSubstr(id), HasSubstr("111122223333"), HasSubstr("the shop"), Not(HasSubstr(secret))));

  EXPECT_EQ(Json("disable " + id)["state"], "disabled");
  EXPECT_EQ(Json("list")["access_keys"][0]["state"], "disabled");
  EXPECT_EQ(Json("disable " + id)["state"], "disabled");
  EXPECT_THAT(AccessKey("enable " + id).out, HasSubstr("is enabled"));
  EXPECT_EQ(Json("list")["access_keys"][0]["state"], "enabled");
}

TEST_F(AccessKeyCliTest, CreateShowsWhatToPutIntoTheCredentials) {
  const ShellOutcome made = AccessKey("create");
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, AllOf(HasSubstr("000000000000"), HasSubstr("aws_access_key_id = AKIA"), HasSubstr("aws_secret_access_key = ")));
  EXPECT_THAT(made.err, HasSubstr("shown this once"));
}

TEST_F(AccessKeyCliTest, TheFilesCanStandElsewhere) {
  EXPECT_EQ(Json("create --file keys.json --master secret.master")["master_file"], "secret.master");
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/secret.master"));
  EXPECT_EQ(Json("list --file keys.json")["access_keys"].size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/.weir"));
}

TEST_F(AccessKeyCliTest, ErrorsSayWhatIsWrong) {
  const ShellOutcome none = AccessKey("list");
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("There is no file of access keys at .weir/access-keys.json. `weir access-key create` makes it"));
  const ShellOutcome account = AccessKey("create --account 42");
  EXPECT_EQ(account.exit_code, 2);
  EXPECT_THAT(account.err, HasSubstr("An account is 12 digits, and \"42\" is not."));
  const ShellOutcome folder = AccessKey("create --file nowhere/keys.json");
  EXPECT_EQ(folder.exit_code, 1);
  EXPECT_THAT(folder.err, HasSubstr("nowhere/keys.json.lock: No such file or directory"));
  EXPECT_EQ(AccessKey("create").exit_code, 0);
  const ShellOutcome unknown = AccessKey("disable AKIANONE");
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("There is no access key AKIANONE in .weir/access-keys.json"));
  EXPECT_EQ(AccessKey("disable").exit_code, 2);
}

}  // namespace
}  // namespace weir
