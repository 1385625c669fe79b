// boto3 against a real `weir up --auth sigv4`: gateway_signatures.py has the cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/gateway/auth/access_key_file.h"
#include "tests/fault/weir_up.h"
#include "tests/support/pg_fixture.h"
#include "tests/support/program.h"

namespace weir {
namespace {

using gateway::auth::AccessKey;

TEST(GatewaySignaturesTest, OnlyWhoeverHasAKeyIsServed) {
  TempDir dir;
  const std::string data = absl::StrCat(dir.path(), "/data");
  std::filesystem::create_directory(data);
  const std::string keys = data + "/access-keys.json";
  const std::string master = gateway::auth::MasterPath(keys);
  const auto create = [&](const std::string& account) {
    return gateway::auth::CreateAccessKey(keys, master, {.account = account, .description = "test"}, absl::Now());
  };
  const absl::StatusOr<AccessKey> own = create("111122223333");
  const absl::StatusOr<AccessKey> other = create("444455556666");
  const absl::StatusOr<AccessKey> disabled = create("111122223333");
  ASSERT_TRUE(own.ok() && other.ok() && disabled.ok()) << own.status() << other.status() << disabled.status();
  ASSERT_TRUE(gateway::auth::SetAccessKeyDisabled(keys, disabled->id, true).ok());

  WeirUp up(dir.path());
  ASSERT_TRUE(up.Launch({"--auth", "sigv4"}).ok());
  const absl::Status ready = up.AwaitReady();
  ASSERT_TRUE(ready.ok()) << ready;
  const std::string output = absl::StrCat(dir.path(), "/clients.log");
  auto clients = Program::Start(
      {.argv = {"/usr/bin/python3", WEIR_SOURCE_DIR "/tests/e2e/gateway_signatures.py", up.endpoint("gateway"), own->id, own->secret,
                other->id, other->secret, disabled->id, disabled->secret},
       .environment = {{"HOME", dir.path()}, {"NO_PROXY", "*"}, {"no_proxy", "*"}},
       .output_path = output});
  ASSERT_TRUE(clients.ok()) << clients.status();
  ASSERT_TRUE((*clients)->AwaitExit(absl::Seconds(100))) << TailOf(output);
  EXPECT_THAT(TailOf(output), testing::EndsWith("\nOK\n"));
  EXPECT_TRUE(up.Interrupt()) << up.Output();
}

TEST(GatewaySignaturesTest, WithoutKeysItDoesNotStart) {
  TempDir dir;
  WeirUp up(dir.path());
  ASSERT_TRUE(up.Launch({"--auth", "sigv4"}).ok());
  EXPECT_FALSE(up.AwaitReady().ok());
  EXPECT_THAT(up.Output(), testing::HasSubstr("access-keys.json"));
}

}  // namespace
}  // namespace weir
