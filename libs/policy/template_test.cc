#include "libs/policy/template.h"

#include <gmock/gmock.h>

#include <string>

namespace weir::policy {
namespace {

using testing::HasSubstr;

class TemplateTest : public testing::Test {
 protected:
  TemplateTest() {
    context_.Set("aws:SourceIp", "10.0.0.1");
    context_.Set("aws:UserAgent", "a*?");
    context_.SetAll("aws:TagKeys", {"a", "b"});
  }

  // What is filled in, wildcards as ‹*› and ‹?›; "-": a variable has no value.
  std::string Filled(absl::string_view text, Template::Syntax syntax = {.wildcards = true, .variables = true}) {
    const absl::StatusOr<Template> parsed = Template::Parse(text, syntax, "Here");
    if (!parsed.ok()) return std::string(parsed.status().message());
    const auto pattern = parsed->Fill(context_);
    if (!pattern.has_value()) return "-";
    std::string shown;
    for (const Glyph glyph : *pattern) {
      if (glyph == Glyph::kAnyNumber) {
        shown += "‹*›";
      } else if (glyph == Glyph::kAnyCharacter) {
        shown += "‹?›";
      } else {
        shown += static_cast<char>(glyph);
      }
    }
    return shown;
  }

  Context context_;
};

TEST_F(TemplateTest, FillsInWhatTheRequestHas) {
  EXPECT_EQ(Filled(""), "");
  EXPECT_EQ(Filled("a*b?"), "a‹*›b‹?›");
  EXPECT_EQ(Filled("from ${aws:SourceIp}!"), "from 10.0.0.1!");
  EXPECT_EQ(Filled("${AWS:sourceip}${aws:SourceIp}"), "10.0.0.110.0.0.1");
  EXPECT_EQ(Filled("${aws:UserAgent}*"), "a*?‹*›") << "what comes from the request has no wildcards";
  EXPECT_EQ(Filled("${*}${?}${$}{aws:SourceIp}"), "*?${aws:SourceIp}");
}

TEST_F(TemplateTest, AVariableWithoutOneValueHasNone) {
  EXPECT_EQ(Filled("a${aws:username}"), "-");
  EXPECT_EQ(Filled("${aws:TagKeys}"), "-");
  EXPECT_EQ(Filled("${aws:username, 'nobody'}"), "nobody");
  EXPECT_EQ(Filled("${aws:username,''}"), "");
  EXPECT_EQ(Filled("${aws:username, '*'}"), "*");
  EXPECT_EQ(Filled("${aws:SourceIp, 'nobody'}"), "10.0.0.1");
}

TEST_F(TemplateTest, WithoutVariablesTheyAreText) {
  EXPECT_EQ(Filled("${aws:SourceIp}*", {.wildcards = true}), "${aws:SourceIp}‹*›");
  EXPECT_EQ(Filled("${aws:SourceIp}*", {.variables = true}), "10.0.0.1*");
  EXPECT_EQ(Filled("${", {.wildcards = true}), "${");
}

TEST_F(TemplateTest, WhatIsNoVariableIsAnError) {
  EXPECT_THAT(Filled("a${aws:SourceIp"), HasSubstr("Here has a variable without an end"));
  for (const char* text : {"${}", "${SourceIp}", "${:x}", "${aws:}", "${**}"}) {
    EXPECT_THAT(Filled(text), HasSubstr("which is none: a variable names a context key")) << text;
  }
  for (const char* text : {"${aws:userid, nobody}", "${aws:userid, 'nobody}", "${aws:userid,}", "${aws:userid, '}"}) {
    EXPECT_THAT(Filled(text), HasSubstr("whose default must stand in single quotes")) << text;
  }
}

}  // namespace
}  // namespace weir::policy
