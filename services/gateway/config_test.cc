#include "services/gateway/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway {
namespace {

using testing::HasSubstr;

Config Valid() { return {.queue_endpoint = "127.0.0.1:7801", .access_keys = "access-keys.json"}; }

TEST(ConfigTest, SignaturesAreVerifiedUnlessSomebodySaysOtherwise) {
  EXPECT_EQ(Config().auth, "sigv4");
  EXPECT_TRUE(Valid().Validate().ok()) << Valid().Validate();
  Config config = Valid();
  config.access_keys = "";
  EXPECT_EQ(config.Validate().message(),
            "Signatures are verified (--auth sigv4, the default), so --access-keys must name the file of access keys, as `weir access-key "
            "create --file FILE` makes it. With --auth off anybody who reaches the port is served.");
  config.auth = "off";
  EXPECT_TRUE(config.Validate().ok()) << config.Validate();
}

struct BadConfig {
  void (*change)(Config&);
  std::string error;
};

TEST(ConfigTest, WhatIsWrongIsNamedWithWhatIsRight) {
  const BadConfig cases[] = {
      {[](Config& c) { c.listen = "4566"; }, "Value \"4566\" for listen is invalid: must be HOST:PORT"},
      {[](Config& c) { c.queue_endpoint = ""; }, "Value \"\" for queue_endpoint is invalid: must be HOST:PORT of a queue service"},
      {[](Config& c) { c.base_url = "localhost"; }, "for base_url is invalid: must be http://HOST or https://HOST"},
      {[](Config& c) { c.base_url = "http://localhost/"; }, "without a slash at its end"},
      {[](Config& c) { c.default_account = "1"; }, "for default_account is invalid: an account has 12 digits"},
      {[](Config& c) { c.default_region = ""; }, "for default_region is invalid: must name a region"},
      {[](Config& c) { c.auth = "none"; }, "for auth is invalid: must be off or sigv4"},
      {[](Config& c) { c.auth = "off"; }, "for auth is invalid: must be sigv4 where access keys are given"},
      {[](Config& c) { c.threads = 0; }, "Value \"0\" for threads is invalid: must be between 1 and 256"},
      {[](Config& c) { c.connections_max = 0; }, "for connections_max is invalid: must be between 1 and 1000000"},
  };
  for (const BadConfig& c : cases) {
    Config config = Valid();
    c.change(config);
    EXPECT_EQ(config.Validate().code(), absl::StatusCode::kInvalidArgument) << c.error;
    EXPECT_THAT(std::string(config.Validate().message()), HasSubstr(c.error));
  }
}

}  // namespace
}  // namespace weir::gateway
