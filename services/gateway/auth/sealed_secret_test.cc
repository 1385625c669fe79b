#include "services/gateway/auth/sealed_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace weir::gateway::auth {
namespace {

using testing::HasSubstr;

TEST(SealedSecretTest, OpensWithItsKeyAndContext) {
  const MasterKey key = *MakeMasterKey();
  for (const std::string secret : {"", "s", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}) {
    const std::string sealed = *Seal(key, secret, "context");
    EXPECT_EQ(*Unseal(key, sealed, "context"), secret);
  }
}

TEST(SealedSecretTest, OfOneSecretNoTwoAreAlike) {
  const MasterKey key = *MakeMasterKey();
  EXPECT_NE(*Seal(key, "secret", "context"), *Seal(key, "secret", "context"));
}

TEST(SealedSecretTest, DoesNotOpenWithAnotherKeyOrContextOrAltered) {
  const MasterKey key = *MakeMasterKey();
  const std::string sealed = *Seal(key, "secret", "context");
  EXPECT_TRUE(absl::IsPermissionDenied(Unseal(*MakeMasterKey(), sealed, "context").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Unseal(key, sealed, "another").status()));
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(sealed, &bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string altered = bytes;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_TRUE(absl::IsPermissionDenied(Unseal(key, absl::Base64Escape(altered), "context").status())) << "byte " << i;
  }
  for (const char* text : {"", "AAAA", "not base64!"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Unseal(key, text, "context").status())) << text;
  }
}

TEST(SealedSecretTest, AMasterKeyIsReadAsItIsWritten) {
  const MasterKey key = *MakeMasterKey();
  EXPECT_EQ(*ParseMasterKey(FormatMasterKey(key)), key);
  EXPECT_EQ(FormatMasterKey(key).size(), 65u);
  EXPECT_THAT(std::string(ParseMasterKey("0011").status().message()), HasSubstr("64 hexadecimal digits"));
  EXPECT_FALSE(ParseMasterKey(std::string(64, 'g')).ok());
}

}  // namespace
}  // namespace weir::gateway::auth
