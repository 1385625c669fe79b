#include "libs/policy/condition.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace weir::policy {
namespace {

using testing::HasSubstr;

using Values = std::vector<std::string>;
constexpr absl::string_view kKey = "aws:Key";

absl::StatusOr<Condition> Parse(absl::string_view op, absl::string_view values, bool variables = true) {
  return Condition::Parse(op, kKey, Json::parse(values.begin(), values.end()), variables, "Condition");
}

// Of a request that has these values of the key; none: it does not have it.
bool Holds(absl::string_view op, absl::string_view values, const Values& in_request) {
  const absl::StatusOr<Condition> condition = Parse(op, values);
  EXPECT_TRUE(condition.ok()) << condition.status();
  if (!condition.ok()) return false;
  Context context;
  context.SetAll("AWS:key", in_request);
  context.Set("aws:SourceIp", "10.0.0.1");
  context.Set("aws:PrincipalAccount", "111122223333");
  context.Set("aws:SourceArn", "arn:aws:sns:eu-west-1:111122223333:news");
  return condition->Holds(context);
}

struct Case {
  const char* op;
  const char* values;
  const char* in_request;
  bool holds;
};

const Case kCases[] = {
    {"StringEquals", R"("a")", "a", true},
    {"StringEquals", R"("a")", "A", false},
    {"StringEquals", R"("a")", "ab", false},
    {"StringEquals", R"(["b", "a"])", "a", true},
    {"StringEquals", R"("a*")", "ab", false},
    {"StringEquals", R"("a*")", "a*", true},
    {"StringEquals", R"("")", "", true},
    {"StringEquals", "111122223333", "111122223333", true},
    {"StringEquals", "true", "true", true},
    {"StringNotEquals", R"("a")", "a", false},
    {"StringNotEquals", R"("a")", "b", true},
    {"StringNotEquals", R"(["a", "b"])", "b", false},
    {"StringNotEquals", R"(["a", "b"])", "c", true},
    {"StringEqualsIgnoreCase", R"("aB")", "Ab", true},
    {"StringEqualsIgnoreCase", R"("aB")", "Ac", false},
    {"StringNotEqualsIgnoreCase", R"("aB")", "Ab", false},
    {"StringNotEqualsIgnoreCase", R"("aB")", "Ac", true},
    {"StringLike", R"("a*")", "abc", true},
    {"StringLike", R"("a?")", "abc", false},
    {"StringLike", R"("A*")", "abc", false},
    {"StringNotLike", R"("a*")", "abc", false},
    {"StringNotLike", R"("a?")", "abc", true},

    {"NumericEquals", "10", "10", true},
    {"NumericEquals", R"("10")", "10.0", true},
    {"NumericEquals", R"("10.5")", "10", false},
    {"NumericEquals", R"(["9", 10])", "10", true},
    {"NumericEquals", R"("-1")", "-1", true},
    {"NumericNotEquals", "10", "10", false},
    {"NumericNotEquals", "10", "11", true},
    {"NumericLessThan", "10", "9.99", true},
    {"NumericLessThan", "10", "10", false},
    {"NumericLessThanEquals", "10", "10", true},
    {"NumericLessThanEquals", "10", "11", false},
    {"NumericGreaterThan", "10", "10", false},
    {"NumericGreaterThan", "10", "11", true},
    {"NumericGreaterThanEquals", "10", "10", true},
    {"NumericGreaterThanEquals", "10", "9", false},
    {"NumericEquals", "10", "ten", false},
    {"NumericLessThan", "10", "ten", false},
    {"NumericGreaterThanEquals", "10", "ten", false},
    {"NumericNotEquals", "10", "ten", true},

    {"DateEquals", R"("2026-01-31T12:00:00Z")", "2026-01-31T12:00:00Z", true},
    {"DateEquals", R"("2026-01-31T13:00:00+01:00")", "2026-01-31T12:00:00Z", true},
    {"DateEquals", R"("2026-01-31T12:00:00Z")", "2026-01-31T12:00:01Z", false},
    {"DateEquals", R"("1769860800")", "2026-01-31T12:00:00Z", true},
    {"DateEquals", "1769860800", "1769860800", true},
    {"DateNotEquals", R"("2026-01-31")", "2026-01-31T00:00:00Z", false},
    {"DateNotEquals", R"("2026-01-31")", "2026-01-31T00:00:01Z", true},
    {"DateLessThan", R"("2026-01-31")", "2026-01-30T23:59:59Z", true},
    {"DateLessThan", R"("2026-01-31")", "2026-01-31T00:00:00Z", false},
    {"DateLessThanEquals", R"("2026-01-31")", "2026-01-31T00:00:00Z", true},
    {"DateGreaterThan", R"("2026-01")", "2026-01-01T00:00:00Z", false},
    {"DateGreaterThan", R"("2026-01")", "2026-01-01T00:00:01Z", true},
    {"DateGreaterThanEquals", R"("2026")", "2026-01-01T00:00:00Z", true},
    {"DateGreaterThanEquals", R"("2026")", "2025-12-31T23:59:59Z", false},
    {"DateGreaterThan", R"("2026")", "yesterday", false},
    {"DateNotEquals", R"("2026")", "yesterday", true},

    {"Bool", R"("true")", "true", true},
    {"Bool", "true", "true", true},
    {"Bool", R"("false")", "false", true},
    {"Bool", R"("True")", "true", true},
    {"Bool", R"("false")", "true", false},
    {"Bool", R"(["true", "false"])", "false", true},
    {"Bool", R"("true")", "yes", false},

    {"BinaryEquals", R"("QmluYXJ5")", "Binary", true},
    {"BinaryEquals", R"("QmluYXJ5")", "QmluYXJ5", false},
    {"BinaryEquals", R"("")", "", true},

    {"IpAddress", R"("10.0.0.0/8")", "10.1.2.3", true},
    {"IpAddress", R"("10.0.0.0/8")", "11.1.2.3", false},
    {"IpAddress", R"(["203.0.113.0/24", "2001:db8::/32"])", "2001:db8::7", true},
    {"IpAddress", R"("10.0.0.0/8")", "somewhere", false},
    {"NotIpAddress", R"("10.0.0.0/8")", "10.1.2.3", false},
    {"NotIpAddress", R"("10.0.0.0/8")", "11.1.2.3", true},
    {"NotIpAddress", R"(["10.0.0.0/8", "11.0.0.0/8"])", "11.1.2.3", false},
    {"NotIpAddress", R"("10.0.0.0/8")", "somewhere", true},

    {"ArnEquals", R"("arn:aws:sns:eu-west-1:111122223333:news")", "arn:aws:sns:eu-west-1:111122223333:news", true},
    {"ArnEquals", R"("arn:aws:sns:*:111122223333:*")", "arn:aws:sns:eu-west-1:111122223333:news", true},
    {"ArnLike", R"("arn:aws:sns:*:111122223333:n?ws")", "arn:aws:sns:eu-west-1:111122223333:news", true},
    {"ArnLike", R"("arn:aws:sns:*:111122223333:News")", "arn:aws:sns:eu-west-1:111122223333:news", false},
    {"ArnLike", R"("arn:aws:s3:*:*:bucket")", "arn:aws:s3:::bucket", true},
    {"ArnLike", R"("arn:aws:sns:*:*:news")", "arn:aws:sns:eu-west-1:111122223333:old:news", false},
    {"ArnLike", R"("arn:aws:sns:*:*:old:*")", "arn:aws:sns:eu-west-1:111122223333:old:news", true},
    // The example of AWS's guide: a wildcard stays in its field, unlike StringLike's.
    {"ArnLike", R"("arn:aws:someservice:*:111122223333:finance/*")",
     "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", false},
    {"StringLike", R"("arn:aws:someservice:*:111122223333:finance/*")",
     "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt", true},
    {"ArnLike", R"("arn:aws:sns:*:*:*")", "news", false},
    {"ArnNotEquals", R"("arn:aws:sns:*:*:news")", "arn:aws:sns:eu-west-1:111122223333:news", false},
    {"ArnNotLike", R"("arn:aws:sns:*:*:news")", "arn:aws:sns:eu-west-1:111122223333:olds", true},
    {"ArnNotLike", R"("arn:aws:sns:*:*:news")", "news", true},

    {"Null", R"("true")", "a", false},
    {"Null", R"("false")", "a", true},
    {"Null", "false", "a", true},
    {"Null", R"(["true", "false"])", "a", true},

    {"StringEqualsIfExists", R"("a")", "a", true},
    {"StringEqualsIfExists", R"("a")", "b", false},
    {"StringNotEqualsIfExists", R"("a")", "a", false},

    {"StringEquals", R"("${aws:SourceIp}")", "10.0.0.1", true},
    {"StringEquals", R"("${aws:SourceIp}")", "10.0.0.2", false},
    {"StringLike", R"("user-${aws:PrincipalAccount}-*")", "user-111122223333-7", true},
    {"ArnEquals", R"("arn:aws:sns:*:${aws:PrincipalAccount}:*")", "arn:aws:sns:eu-west-1:111122223333:news", true},
    {"ArnEquals", R"("${aws:SourceArn}")", "arn:aws:sns:eu-west-1:111122223333:news", true},
    {"ArnEquals", R"("${aws:SourceIp}")", "arn:aws:sns:eu-west-1:111122223333:news", false},
    // A variable without a value makes the condition false, whatever it asks.
    {"StringEquals", R"(["a", "${aws:username}"])", "a", false},
    {"StringNotEquals", R"("${aws:username}")", "a", false},
    {"ArnNotLike", R"("arn:aws:sns:*:*:${aws:username}")", "arn:aws:sns:eu-west-1:111122223333:news", false},
    {"StringEquals", R"("${aws:username, 'a'}")", "a", true},
};

TEST(ConditionTest, OfAKeyWithOneValue) {
  for (const Case& each : kCases) {
    EXPECT_EQ(Holds(each.op, each.values, {each.in_request}), each.holds)
        << each.op << " " << each.values << " of " << each.in_request;
  }
}

TEST(ConditionTest, OfAKeyThatTheRequestDoesNotHave) {
  const struct {
    const char* op;
    const char* values;
    bool plain;
  } operators[] = {
      {"StringEquals", R"("a")", false},         {"StringNotEquals", R"("a")", true},
      {"StringEqualsIgnoreCase", R"("a")", false}, {"StringNotEqualsIgnoreCase", R"("a")", true},
      {"StringLike", R"("*")", false},           {"StringNotLike", R"("*")", true},
      {"NumericEquals", "1", false},             {"NumericNotEquals", "1", true},
      {"NumericLessThan", "1", false},           {"NumericLessThanEquals", "1", false},
      {"NumericGreaterThan", "1", false},        {"NumericGreaterThanEquals", "1", false},
      {"DateEquals", R"("2026")", false},        {"DateNotEquals", R"("2026")", true},
      {"DateLessThan", R"("2026")", false},      {"DateLessThanEquals", R"("2026")", false},
      {"DateGreaterThan", R"("2026")", false},   {"DateGreaterThanEquals", R"("2026")", false},
      {"Bool", "true", false},                   {"BinaryEquals", R"("QQ==")", false},
      {"IpAddress", R"("0.0.0.0/0")", false},    {"NotIpAddress", R"("0.0.0.0/0")", true},
      {"ArnEquals", R"("arn:*:*:*:*:*")", false}, {"ArnNotEquals", R"("arn:*:*:*:*:*")", true},
      {"ArnLike", R"("arn:*:*:*:*:*")", false},  {"ArnNotLike", R"("arn:*:*:*:*:*")", true},
  };
  for (const auto& each : operators) {
    EXPECT_EQ(Holds(each.op, each.values, {}), each.plain) << each.op;
    EXPECT_TRUE(Holds(absl::StrCat(each.op, "IfExists"), each.values, {})) << each.op;
    EXPECT_TRUE(Holds(absl::StrCat("ForAllValues:", each.op), each.values, {})) << each.op;
    EXPECT_TRUE(Holds(absl::StrCat("ForAllValues:", each.op, "IfExists"), each.values, {})) << each.op;
    EXPECT_FALSE(Holds(absl::StrCat("ForAnyValue:", each.op), each.values, {})) << each.op;
    EXPECT_FALSE(Holds(absl::StrCat("ForAnyValue:", each.op, "IfExists"), each.values, {})) << each.op;
  }
  EXPECT_TRUE(Holds("Null", "true", {}));
  EXPECT_FALSE(Holds("Null", "false", {}));
}

TEST(ConditionTest, OfAKeyWithSeveralValues) {
  const struct {
    const char* op;
    Values in_request;
    bool holds;
  } cases[] = {
      // Each is compared with "a" and "b".
      {"ForAllValues:StringEquals", {"a", "b"}, true},
      {"ForAllValues:StringEquals", {"a", "c"}, false},
      {"ForAllValues:StringNotEquals", {"c", "d"}, true},
      {"ForAllValues:StringNotEquals", {"a", "d"}, false},
      {"ForAnyValue:StringEquals", {"a", "c"}, true},
      {"ForAnyValue:StringEquals", {"c", "d"}, false},
      {"ForAnyValue:StringNotEquals", {"a", "c"}, true},
      {"ForAnyValue:StringNotEquals", {"a", "b"}, false},
      {"StringEquals", {"c", "a"}, true},
      {"StringEquals", {"c", "d"}, false},
      {"StringNotEquals", {"c", "a"}, false},
      {"StringNotEquals", {"c", "d"}, true},
      {"ForAnyValue:StringEqualsIfExists", {"c", "d"}, false},
      {"ForAllValues:StringEqualsIfExists", {"c", "d"}, false},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(Holds(each.op, R"(["a", "b"])", each.in_request), each.holds) << each.op << " of " << each.in_request[0] << " and "
                                                                           << each.in_request[1];
  }
}

TEST(ConditionTest, BeforeVersion2012VariablesAreText) {
  const absl::StatusOr<Condition> condition = Parse("StringEquals", R"("${aws:SourceIp}")", false);
  ASSERT_TRUE(condition.ok());
  Context context;
  context.Set("aws:SourceIp", "10.0.0.1");
  context.Set(kKey, "10.0.0.1");
  EXPECT_FALSE(condition->Holds(context));
  context.Set(kKey, "${aws:SourceIp}");
  EXPECT_TRUE(condition->Holds(context));
}

TEST(ConditionTest, WhatIsWrongIsSaid) {
  const struct {
    const char* op;
    const char* values;
    const char* said;
  } cases[] = {
      {"StringIs", R"("a")", R"(Condition has the operator "StringIs", which is none)"},
      {"stringequals", R"("a")", "which is none"},
      {"", R"("a")", "which is none"},
      {"ForSomeValues:StringEquals", R"("a")", "which is none"},
      {"ForAnyValue:ForAnyValue:StringEquals", R"("a")", "which is none"},
      {"ForAllValues:ForAnyValue:StringEquals", R"("a")", "which is none"},
      {"StringEqualsIfExistsIfExists", R"("a")", "which is none"},
      {"NullIfExists", "true", "Null stands alone"},
      {"ForAllValues:Null", "true", "Null stands alone"},
      {"StringEquals", "[]", "Condition.StringEquals.aws:Key must be a string, a number, a Boolean, or an array"},
      {"StringEquals", "null", "must be a string, a number, a Boolean, or an array"},
      {"StringEquals", R"({"a": "b"})", "must be a string, a number, a Boolean, or an array"},
      {"StringEquals", R"(["a", ["b"]])", "must be a string, a number, a Boolean, or an array"},
      {"StringEquals", R"("${aws:x")", "Condition.StringEquals.aws:Key has a variable without an end"},
      {"NumericEquals", R"("ten")", R"(has the value "ten"; it must be a number)"},
      {"NumericEquals", R"("")", "must be a number"},
      {"NumericEquals", R"(" 1")", "must be a number"},
      {"NumericEquals", R"("nan")", "must be a number"},
      {"NumericEquals", R"("inf")", "must be a number"},
      {"NumericEquals", R"("${aws:EpochTime}")", "must be a number"},
      {"DateEquals", R"("tomorrow")", "must be a date such as 2026-01-31T12:00:00Z"},
      {"DateEquals", R"("2026-13-01")", "must be a date"},
      {"DateEquals", R"("2026-01-31T12:00:00")", "must be a date"},
      {"DateEquals", R"(" 2026")", "must be a date"},
      {"DateEquals", R"("-2026")", "must be a date"},
      {"DateEquals", R"("infinite-future")", "must be a date"},
      {"DateEquals", R"("9999999999999")", "must be a date"},
      {"DateEquals", R"("")", "must be a date"},
      {"Bool", R"("yes")", "must be true or false"},
      {"Bool", "1", "must be true or false"},
      {"Null", R"("no")", "must be true or false"},
      {"BinaryEquals", R"("*")", "must be base64"},
      {"IpAddress", R"("10.0.0.0/40")", "must be an IP address or a network"},
      {"NotIpAddress", R"("*")", "must be an IP address or a network"},
      {"ArnLike", R"("*")", "must be an ARN of six fields"},
      {"ArnEquals", R"("arn:aws:sns:news")", "must be an ARN of six fields"},
  };
  for (const auto& each : cases) {
    const absl::StatusOr<Condition> condition = Parse(each.op, each.values);
    ASSERT_FALSE(condition.ok()) << each.op << " " << each.values;
    EXPECT_THAT(std::string(condition.status().message()), HasSubstr(each.said)) << each.op << " " << each.values;
  }
  for (const char* key : {"", "SourceIp", "aws:", ":x"}) {
    EXPECT_FALSE(Condition::Parse("StringEquals", key, Json("a"), true, "Condition").ok()) << key;
  }
}

TEST(ConditionTest, DatesAsW3cHasThem) {
  const absl::Time noon = absl::FromUnixSeconds(1769860800);
  const struct {
    const char* text;
    absl::Time time;
  } cases[] = {
      {"2026-01-31T12:00Z", noon},
      {"2026-01-31T12:00:00Z", noon},
      {"2026-01-31T12:00:00.25Z", noon + absl::Milliseconds(250)},
      {"2026-01-31T07:00:00-05:00", noon},
      {"2026-01-31", noon - absl::Hours(12)},
      {"2026-01", noon - absl::Hours(12) - 30 * absl::Hours(24)},
      {"2026", noon - absl::Hours(12) - 30 * absl::Hours(24)},
      {"1769860800", noon},
      {"0", absl::UnixEpoch()},
  };
  for (const auto& each : cases) EXPECT_EQ(ParseDate(each.text), each.time) << each.text;
}

}  // namespace
}  // namespace weir::policy
