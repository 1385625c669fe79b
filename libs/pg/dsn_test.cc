#include "libs/pg/dsn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::pg {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(DsnTest, AddsOnlyWhatIsNotThere) {
  const auto dsn =
      WithDefaults("postgresql://u@h/d?connect_timeout=9", {{"connect_timeout", "2"}, {"application_name", "it's"}});
  ASSERT_TRUE(dsn.ok());
  EXPECT_THAT(*dsn, HasSubstr("connect_timeout='9'"));
  EXPECT_THAT(*dsn, HasSubstr("application_name='it\\'s'"));
  EXPECT_THAT(*dsn, HasSubstr("host='h'"));
}

TEST(DsnTest, AddsAnOptionToThoseThatAreThere) {
  const auto dsn = WithOption("postgresql://u@h/d?options=-c%20work_mem%3D1MB", "-c a=1");
  ASSERT_TRUE(dsn.ok());
  EXPECT_THAT(*dsn, HasSubstr("options='-c a=1 -c work_mem=1MB'"));
  EXPECT_THAT(*WithOption("host=h", "-c a=1"), HasSubstr("options='-c a=1'"));
}

TEST(DsnTest, RedactedHidesThePassword) {
  EXPECT_THAT(Redacted("postgresql://u:secret@h/d"), Not(HasSubstr("secret")));
}

TEST(DsnTest, UnreadableUrlSaysWhatIsExpected) {
  EXPECT_THAT(std::string(WithDefaults("postgresql://u@h:port/d?x", {}).status().message()),
              HasSubstr("postgresql://USER"));
}

}  // namespace
}  // namespace weir::pg
