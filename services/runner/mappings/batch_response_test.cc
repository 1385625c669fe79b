#include "services/runner/mappings/batch_response.h"

#include <gtest/gtest.h>

namespace weir::runner::mappings {
namespace {

const std::vector<std::string> kIds = {"a", "b"};

// "11": both succeeded.
std::string Judged(const std::string& payload, bool report = true,
                   core::InvocationOutcome outcome = core::InvocationOutcome::kSucceeded) {
  const BatchVerdict verdict = JudgeBatch({.outcome = outcome, .payload = payload}, report, kIds);
  std::string text;
  for (const bool succeeded : verdict.succeeded) text += succeeded ? '1' : '0';
  EXPECT_EQ(verdict.problem.empty(), text == "11");
  return text;
}

TEST(BatchResponseTest, FullSuccess) {
  for (const char* payload :
       {"", "null", "{}", "\"\"", R"({"batchItemFailures":[]})", R"({"batchItemFailures":null})"}) {
    EXPECT_EQ(Judged(payload), "11") << payload;
  }
}

TEST(BatchResponseTest, ReportedMessagesFail) {
  EXPECT_EQ(Judged(R"({"batchItemFailures":[{"itemIdentifier":"b"}]})"), "10");
  EXPECT_EQ(Judged(R"({"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"a"}]})"), "00");
}

TEST(BatchResponseTest, WhatCannotBeUnderstoodIsFullFailure) {
  for (const char* payload :
       {"{", "[]", "7", R"({"failures":[]})", R"({"batchItemFailures":7})", R"({"batchItemFailures":["a"]})",
        R"({"batchItemFailures":[{"itemIdentifier":""}]})", R"({"batchItemFailures":[{"itemIdentifier":null}]})",
        R"({"batchItemFailures":[{"id":"a"}]})", R"({"batchItemFailures":[{"itemIdentifier":"other"}]})"}) {
    EXPECT_EQ(Judged(payload), "00") << payload;
  }
}

TEST(BatchResponseTest, WithoutReportsTheBatchIsWhole) {
  EXPECT_EQ(Judged(R"({"batchItemFailures":[{"itemIdentifier":"b"}]})", /*report=*/false), "11");
  EXPECT_EQ(Judged(R"({"errorMessage":"x"})", true, core::InvocationOutcome::kUnhandledError), "00");
  EXPECT_EQ(Judged("", false, core::InvocationOutcome::kHandledError), "00");
}

}  // namespace
}  // namespace weir::runner::mappings
