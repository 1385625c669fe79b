#include "services/gateway/auth/access_key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/support/fake_clock.h"
#include "tests/support/pg_fixture.h"

namespace weir::gateway::auth {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'769'860'800);

std::string TextOf(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

class AccessKeyFileTest : public testing::Test {
 protected:
  AccessKey Create(const std::string& account = "111122223333", const std::string& description = "") {
    auto key = CreateAccessKey(path_, master_, {account, description}, kNow);
    EXPECT_TRUE(key.ok()) << key.status();
    return *std::move(key);
  }
  std::unique_ptr<AccessKeyFile> Open() {
    auto file = AccessKeyFile::Open(path_, master_, clock_);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  absl::Status OpenError() { return AccessKeyFile::Open(path_, master_, clock_).status(); }

  TempDir dir_;
  const std::string path_ = dir_.path() + "/access-keys.json";
  const std::string master_ = MasterPath(path_);
  FakeClock clock_;
};

TEST_F(AccessKeyFileTest, AKeyIsFoundAsItWasCreated) {
  const AccessKey made = Create("111122223333", "the shop");
  EXPECT_THAT(made.id, MatchesRegex("AKIA[A-Z2-7]{16}"));
  EXPECT_THAT(made.secret, MatchesRegex("[A-Za-z0-9+/]{40}"));
  const AccessKey other = Create("444455556666");
  EXPECT_NE(made.id, other.id);
  const auto file = Open();
  const auto found = file->Find(made.id);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->id, made.id);
  EXPECT_EQ(found->secret, made.secret);
  EXPECT_EQ(found->account, "111122223333");
  EXPECT_EQ(found->description, "the shop");
  EXPECT_EQ(found->created_at, kNow);
  EXPECT_FALSE(found->disabled);
  EXPECT_EQ(file->Find(other.id)->secret, other.secret);
  EXPECT_FALSE(file->Find("AKIAUNKNOWN").has_value());
}

TEST_F(AccessKeyFileTest, OnlyTheOwnerReadsTheFilesAndNoSecretStandsInThem) {
  const AccessKey made = Create();
  EXPECT_EQ(ModeOf(path_), 0600u);
  EXPECT_EQ(ModeOf(master_), 0600u);
  EXPECT_EQ(master_, dir_.path() + "/access-keys.master");
  EXPECT_EQ(MasterPath(path_, "/elsewhere/key"), "/elsewhere/key");
  EXPECT_THAT(TextOf(path_), HasSubstr(made.id));
  EXPECT_THAT(TextOf(path_), Not(HasSubstr(made.secret)));
}

TEST_F(AccessKeyFileTest, AListHasNoSecretsAndNeedsNoMasterKey) {
  const AccessKey first = Create("111122223333", "first");
  const AccessKey second = Create("444455556666");
  fs::remove(master_);
  EXPECT_TRUE(SetAccessKeyDisabled(path_, first.id, true).ok());
  const auto keys = ListAccessKeys(path_);
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ((*keys)[0].id, first.id);
  EXPECT_EQ((*keys)[0].secret, "");
  EXPECT_EQ((*keys)[0].description, "first");
  EXPECT_TRUE((*keys)[0].disabled);
  EXPECT_EQ((*keys)[1].id, second.id);
  EXPECT_FALSE((*keys)[1].disabled);
}

TEST_F(AccessKeyFileTest, WhatIsAddedOrDisabledIsSeenAtTheNextLook) {
  const AccessKey first = Create();
  const auto file = Open();
  ASSERT_TRUE(SetAccessKeyDisabled(path_, first.id, true).ok());
  const AccessKey second = Create();
  EXPECT_FALSE(file->Find(first.id)->disabled) << "looked before the second was over";
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(file->Find(first.id)->disabled);
  EXPECT_EQ(file->Find(second.id)->secret, second.secret);
  ASSERT_TRUE(SetAccessKeyDisabled(path_, first.id, false).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(file->Find(first.id)->disabled);
}

TEST_F(AccessKeyFileTest, ASwapOfAFolderBehindALinkIsSeen) {
  // As Kubernetes mounts Secrets: the files are links through ..data, which is replaced.
  const AccessKey first = Create();
  fs::create_directory(dir_.path() + "/v1");
  fs::create_directory(dir_.path() + "/v2");
  for (const char* name : {"access-keys.json", "access-keys.master"}) fs::rename(dir_.path() + "/" + name, dir_.path() + "/v1/" + name);
  const AccessKey second = *CreateAccessKey(dir_.path() + "/v2/access-keys.json", dir_.path() + "/v2/access-keys.master",
                                            {"111122223333", ""}, kNow);
  fs::create_symlink("v1", dir_.path() + "/..data");
  for (const char* name : {"access-keys.json", "access-keys.master"}) {
    fs::create_symlink(std::string("..data/") + name, dir_.path() + "/" + name);
  }
  const auto file = Open();
  EXPECT_TRUE(file->Find(first.id).has_value());
  fs::create_symlink("v2", dir_.path() + "/..new");
  fs::rename(dir_.path() + "/..new", dir_.path() + "/..data");
  clock_.Advance(absl::Seconds(1));
  EXPECT_FALSE(file->Find(first.id).has_value());
  EXPECT_EQ(file->Find(second.id)->secret, second.secret);
}

TEST_F(AccessKeyFileTest, ABrokenFileLeavesTheKeysOfBeforeInForceUntilItIsMended) {
  const AccessKey key = Create();
  const std::string good = TextOf(path_);
  const auto file = Open();
  for (const std::string broken : {"", "{", "{\"format\": 1}"}) {
    Write(path_, broken);
    clock_.Advance(absl::Seconds(1));
    EXPECT_EQ(file->Find(key.id)->secret, key.secret) << broken;
  }
  fs::remove(path_);
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(file->Find(key.id).has_value());
  Write(path_, absl::StrReplaceAll(good, {{"\"disabled\": false", "\"disabled\": true"}}));
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(file->Find(key.id)->disabled);
}

TEST_F(AccessKeyFileTest, AMasterKeyThatDoesNotFitIsAnErrorThatNamesBothFiles) {
  const AccessKey key = Create();
  const std::string right = TextOf(master_);
  const auto file = Open();
  Write(master_, std::string(64, '0') + "\n");
  EXPECT_THAT(MessageOf(OpenError()), HasSubstr(absl::StrCat("The secret of access key ", key.id, " in ", path_,
                                                             " does not open with the master key in ", master_,
                                                             ": it was sealed with another master key")));
  const absl::Status create = CreateAccessKey(path_, master_, {"111122223333", ""}, kNow).status();
  EXPECT_THAT(MessageOf(create), HasSubstr("another master key"));
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(file->Find(key.id)->secret, key.secret);
  Write(master_, "short");
  EXPECT_THAT(MessageOf(OpenError()), HasSubstr("64 hexadecimal digits"));
  fs::remove(master_);
  EXPECT_THAT(MessageOf(OpenError()), HasSubstr("There is no master key at " + master_));
  // A new one would leave the old keys unreadable.
  EXPECT_THAT(MessageOf(CreateAccessKey(path_, master_, {"111122223333", ""}, kNow).status()), HasSubstr("is missing. Put it back"));
  EXPECT_FALSE(fs::exists(master_));
  Write(master_, right);
  EXPECT_EQ(Open()->Find(key.id)->secret, key.secret);
}

TEST_F(AccessKeyFileTest, ASecretCannotBeMovedToAnotherAccount) {
  Create("111122223333");
  Write(path_, absl::StrReplaceAll(TextOf(path_), {{"111122223333", "444455556666"}}));
  EXPECT_TRUE(absl::IsPermissionDenied(OpenError())) << OpenError();
}

TEST_F(AccessKeyFileTest, ErrorsSayWhatIsWrongInTheFile) {
  EXPECT_THAT(MessageOf(OpenError()), HasSubstr("There is no file of access keys at " + path_));
  EXPECT_TRUE(absl::IsNotFound(ListAccessKeys(path_).status()));
  const std::string id = Create().id;
  const std::string good = TextOf(path_);
  const std::pair<std::string, std::string> cases[] = {
      {"[]", "it is not a JSON object"},
      {absl::StrReplaceAll(good, {{"\"format\": 1", "\"format\": 2"}}), "`format` must be 1"},
      {"{\"format\": 1}", "`access_keys` must be there"},
      {absl::StrReplaceAll(good, {{"\"id\"", "\"name\""}}), "in entry 1 of `access_keys`, `id` must be there"},
      {absl::StrReplaceAll(good, {{"111122223333", "1"}}), "`account` must be 12 digits, and is \"1\""},
      {absl::StrReplaceAll(good, {{"\"2026", "\"then"}}), "`created_at` must be a time"},
      {absl::StrReplaceAll(good, {{": false", ": \"no\""}}), "`disabled` must be there, and true or false"},
  };
  for (const auto& [text, error] : cases) {
    Write(path_, text);
    EXPECT_THAT(MessageOf(OpenError()), HasSubstr(error)) << text;
    EXPECT_FALSE(SetAccessKeyDisabled(path_, id, true).ok());
    EXPECT_EQ(TextOf(path_), text) << "a broken file is left as it is";
  }
}

TEST_F(AccessKeyFileTest, BadInputIsRefusedBeforeAnythingIsWritten) {
  EXPECT_THAT(MessageOf(CreateAccessKey(path_, master_, {"42", ""}, kNow).status()), HasSubstr("An account is 12 digits"));
  EXPECT_THAT(MessageOf(CreateAccessKey(path_, master_, {"111122223333", std::string(257, 'x')}, kNow).status()), HasSubstr("257 bytes"));
  for (const char* text : {"two\nlines", "\xFF"}) {
    EXPECT_THAT(MessageOf(CreateAccessKey(path_, master_, {"111122223333", text}, kNow).status()), HasSubstr("one line of UTF-8"));
  }
  EXPECT_TRUE(fs::is_empty(dir_.path()));
  Create();
  const absl::Status unknown = SetAccessKeyDisabled(path_, "AKIANONE", true).status();
  EXPECT_TRUE(absl::IsNotFound(unknown));
  EXPECT_THAT(MessageOf(unknown), HasSubstr("There is no access key AKIANONE in " + path_));
}

TEST_F(AccessKeyFileTest, WritersAtTheSameTimeLoseNoKey) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < kEach; ++n) Create();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ListAccessKeys(path_)->size(), static_cast<size_t>(kThreads * kEach));
  Open();
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(dir_.path())) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 3u) << "the keys, the master key and the lock, and nothing temporary";
}

}  // namespace
}  // namespace weir::gateway::auth
