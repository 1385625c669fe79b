#include "services/gateway/wire/form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::gateway::wire {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(FormTest, DecodesNamesAndValuesInTheirOrder) {
  EXPECT_THAT(ParseForm("Action=SendMessage&MessageBody=a+b%26c%0D&b%3Dc=&flag&&d=e=f"),
              ElementsAre(Pair("Action", "SendMessage"), Pair("MessageBody", "a b&c\r"), Pair("b=c", ""),
                          Pair("flag", ""), Pair("d", "e=f")));
  EXPECT_THAT(ParseForm(""), ElementsAre());
}

TEST(FormTest, APercentSignThatBeginsNoEscapeStandsForItself) {
  EXPECT_THAT(ParseForm("a=100%&b=%4&c=%zz%41"), ElementsAre(Pair("a", "100%"), Pair("b", "%4"), Pair("c", "%zzA")));
}

TEST(FormTest, InAPathPlusIsNoSpace) { EXPECT_EQ(DecodePercent("/a+b%20c"), "/a+b c"); }

TEST(FormTest, KnowsUtf8) {
  for (const char* good : {"", "a", "é", "€", "😀", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xC3("}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace weir::gateway::wire
