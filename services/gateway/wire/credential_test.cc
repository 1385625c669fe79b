#include "services/gateway/wire/credential.h"

#include <gtest/gtest.h>

namespace weir::gateway::wire {
namespace {

TEST(CredentialTest, IsFoundInTheHeader) {
  const auto credential = CredentialOfAuthorization(
      "AWS4-HMAC-SHA256 Credential=AKID/20260131/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=00");
  ASSERT_TRUE(credential.has_value());
  EXPECT_EQ(credential->access_key, "AKID");
  EXPECT_EQ(credential->date, "20260131");
  EXPECT_EQ(credential->region, "eu-west-1");
  EXPECT_EQ(credential->service, "sqs");
}

TEST(CredentialTest, AnAccessKeyMayHoldSlashes) {
  EXPECT_EQ(ParseCredential("a/b/20260131/us-east-1/sqs/aws4_request")->access_key, "a/b");
}

TEST(CredentialTest, OfOtherHeadersThereIsNone) {
  for (const char* header : {"", "Bearer token", "AWS4-HMAC-SHA256 SignedHeaders=host", "AWS4-HMAC-SHA256 Credential=AKID",
                             "AWS4-HMAC-SHA256 Credential=AKID/20260131/us-east-1/sqs/aws3_request"}) {
    EXPECT_FALSE(CredentialOfAuthorization(header).has_value()) << header;
  }
}

TEST(CredentialTest, TwelveDigitsAreTheAccount) {
  EXPECT_EQ(AccountOf("123456789012", "000000000000"), "123456789012");
  EXPECT_EQ(AccountOf("12345678901", "000000000000"), "000000000000");
  EXPECT_EQ(AccountOf("AKIAIOSFODNN", "000000000000"), "000000000000");
  EXPECT_EQ(AccountOf("", "000000000000"), "000000000000");
}

}  // namespace
}  // namespace weir::gateway::wire
