#include "cli/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::cli {
namespace {

TEST(DurationTest, ReadsSecondsAndUnits) {
  EXPECT_EQ(*ParseDuration("60"), absl::Seconds(60));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
  EXPECT_EQ(*ParseDuration("60s"), absl::Minutes(1));
  EXPECT_EQ(*ParseDuration("1.5s"), absl::Milliseconds(1500));
  EXPECT_EQ(*ParseDuration("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("5m"), absl::Minutes(5));
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("14d"), absl::Hours(336));
}

TEST(DurationTest, RefusesWhatIsNone) {
  for (const char* text : {"", "s", "-5", "5x", "1h30", "1 h", "1..5s", "five", "1e9d", "5s ", "nan", "0x5"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << '"' << text << '"';
  }
  EXPECT_THAT(std::string(ParseDuration("5x").status().message()), testing::HasSubstr("\"5x\""));
}

TEST(DurationTest, IsWrittenAsItIsRead) {
  for (const char* text : {"0s", "30s", "5m", "1h30m", "4d", "1.5s", "250ms", "1d2h3m4s"}) {
    EXPECT_EQ(DurationText(*ParseDuration(text)), text);
  }
}

TEST(DurationTest, SurvivesTheProto) {
  const absl::Duration duration = absl::Milliseconds(90'500);
  EXPECT_EQ(FromProto(ToProto(duration)), duration);
}

TEST(AttributeTest, IsAStringUnlessItSaysOtherwise) {
  const auto attribute = ParseAttribute("kind=new=order");
  ASSERT_TRUE(attribute.ok());
  EXPECT_EQ(attribute->name, "kind");
  EXPECT_EQ(attribute->value.data_type(), "String");
  EXPECT_EQ(attribute->value.string_value(), "new=order");
}

TEST(AttributeTest, HasATypeWithALabel) {
  const auto number = ParseAttribute("amount:Number.int=5");
  ASSERT_TRUE(number.ok());
  EXPECT_EQ(number->name, "amount");
  EXPECT_EQ(number->value.data_type(), "Number.int");
  EXPECT_EQ(number->value.string_value(), "5");

  const auto binary = ParseAttribute("key:Binary=AAE=");
  ASSERT_TRUE(binary.ok());
  EXPECT_EQ(binary->value.binary_value(), std::string("\0\1", 2));
  EXPECT_EQ(FormatAttributeValue(binary->value), "AAE=");
}

TEST(AttributeTest, RefusesWhatIsNone) {
  for (const char* text : {"", "kind", "=new", "n:Float=5", "key:Binary=***"}) {
    EXPECT_FALSE(ParseAttribute(text).ok()) << '"' << text << '"';
  }
}

TEST(BytesTest, AreShownInTheFittingUnit) {
  EXPECT_EQ(FormatBytes(100), "100 B");
  EXPECT_EQ(FormatBytes(131'072), "128.0 KiB");
  EXPECT_EQ(FormatBytes(1'048'576), "1.0 MiB");
}

}  // namespace
}  // namespace weir::cli
