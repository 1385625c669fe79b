#include "libs/policy/principal.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace weir::policy {
namespace {

using testing::HasSubstr;

const Principal kAnn = Principal::Account("111122223333");
const Principal kBob = Principal::Account("444455556666");
const Principal kSns = Principal::Service("sns.amazonaws.com");

// Who is in the set: "ann bob sns anonymous", or what is wrong.
std::string Members(const std::string& json) {
  const absl::StatusOr<PrincipalSet> set = PrincipalSet::Parse(Json::parse(json), "Principal");
  if (!set.ok()) return std::string(set.status().message());
  std::string members;
  if (set->Contains(kAnn)) absl::StrAppend(&members, " ann");
  if (set->Contains(kBob)) absl::StrAppend(&members, " bob");
  if (set->Contains(kSns)) absl::StrAppend(&members, " sns");
  if (set->Contains(Principal::Anonymous())) absl::StrAppend(&members, " anonymous");
  return members.empty() ? "" : members.substr(1);
}

TEST(PrincipalTest, AnAccountHasAnArn) {
  EXPECT_EQ(kAnn.Arn(), "arn:aws:iam::111122223333:root");
  EXPECT_EQ(kSns.Arn(), "");
  EXPECT_EQ(Principal::Anonymous().Arn(), "");
}

TEST(PrincipalSetTest, Table) {
  const struct {
    const char* json;
    const char* members;
  } cases[] = {
      {R"("*")", "ann bob sns anonymous"},
      {R"({"AWS": "*"})", "ann bob sns anonymous"},
      {R"({"AWS": ["111122223333", "*"]})", "ann bob sns anonymous"},
      {R"({"AWS": "111122223333"})", "ann"},
      {R"({"AWS": "arn:aws:iam::111122223333:root"})", "ann"},
      {R"({"AWS": "arn:aws-cn:iam::111122223333:root"})", "ann"},
      {R"({"AWS": ["arn:aws:iam::111122223333:root", "444455556666"]})", "ann bob"},
      {R"({"Service": "sns.amazonaws.com"})", "sns"},
      {R"({"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]})", "sns"},
      {R"({"Service": "s3.amazonaws.com"})", ""},
      {R"({"Service": "*"})", "sns"},
      {R"({"AWS": "111122223333", "Service": "sns.amazonaws.com"})", "ann sns"},
      // Whom nobody can be.
      {R"({"AWS": "arn:aws:iam::111122223333:user/ann"})", ""},
      {R"({"AWS": "arn:aws:iam::111122223333:role/path/cook"})", ""},
      {R"({"AWS": "arn:aws:sts::111122223333:assumed-role/cook/session"})", ""},
      {R"({"AWS": "AIDACKCEVSQ6C2EXAMPLE"})", ""},
      {R"({"Federated": "cognito-identity.amazonaws.com"})", ""},
      {R"({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"})", ""},
      {R"({"Service": "111122223333"})", ""},
  };
  for (const auto& each : cases) EXPECT_EQ(Members(each.json), each.members) << each.json;
}

TEST(PrincipalSetTest, WhatIsWrongIsSaid) {
  const struct {
    const char* json;
    const char* said;
  } cases[] = {
      {R"("111122223333")", R"(Principal must be "*", or an object)"},
      {R"(["*"])", R"(Principal must be "*", or an object)"},
      {"{}", R"(Principal must be "*", or an object)"},
      {"null", R"(Principal must be "*", or an object)"},
      {R"({"Aws": "*"})", R"(Principal has the member "Aws"; allowed are AWS, Service)"},
      {R"({"AWS": []})", "Principal.AWS must be a string, or an array with at least one string"},
      {R"({"AWS": 111122223333})", "Principal.AWS must be a string"},
      {R"({"AWS": ["*", 1]})", "Principal.AWS[1] must be a string"},
      {R"({"AWS": ""})", "Principal.AWS has an empty name"},
      {R"({"Service": ""})", "Principal.Service has an empty name"},
      {R"({"AWS": "arn:aws:iam::111122223333:*"})", "a principal is named in full"},
      {R"({"AWS": "arn:aws:iam::*:root"})", "a principal is named in full"},
      {R"({"AWS": "11112222333?"})", "a principal is named in full"},
      {R"({"AWS": "11112222333"})", R"(has the name "11112222333"; it must be an account of 12 digits)"},
      {R"({"AWS": "1111222233334"})", "must be an account of 12 digits"},
      {R"({"AWS": "arn:aws:iam::11112222333:root"})", "must be an account of 12 digits"},
      {R"({"AWS": "arn:aws:s3::111122223333:root"})", "must be an account of 12 digits"},
      {R"({"AWS": "arn:aws:iam:eu-west-1:111122223333:root"})", "must be an account of 12 digits"},
      {R"({"AWS": "arn:aws:iam::111122223333:user/"})", "must be an account of 12 digits"},
      {R"({"AWS": "arn:aws:iam::111122223333:ann"})", "must be an account of 12 digits"},
      {R"({"AWS": "ann"})", "must be an account of 12 digits"},
  };
  for (const auto& each : cases) EXPECT_THAT(Members(each.json), HasSubstr(each.said)) << each.json;
}

}  // namespace
}  // namespace weir::policy
