// The C++ table and the protobuf enum come from one data file; this shows that they agree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "google/protobuf/descriptor.h"
#include "weir/common/v1/error_reason.pb.h"
#include "weir/errors.gen.h"

namespace weir {
namespace {

constexpr char kPrefix[] = "ERROR_REASON_";

TEST(ErrorTable, HasEveryReasonOfTheProtobufEnumUnderTheSameNumber) {
  const auto* descriptor = common::v1::ErrorReason_descriptor();
  ASSERT_GT(descriptor->value_count(), 1);
  for (int i = 0; i < descriptor->value_count(); ++i) {
    const auto* value = descriptor->value(i);
    const auto reason = static_cast<ErrorReason>(value->number());
    const ErrorInfo& info = ErrorInfoOf(reason);
    EXPECT_EQ(info.reason, reason) << value->name();
    EXPECT_EQ(kPrefix + std::string(info.name), value->name());
    EXPECT_EQ(ErrorReasonFromName(info.name), reason);
  }
}

TEST(ErrorTable, TakesAnUnknownNumberOrNameForUnspecified) {
  EXPECT_EQ(ErrorInfoOf(static_cast<ErrorReason>(99'999)).reason, ErrorReason::kUnspecified);
  EXPECT_EQ(ErrorReasonFromName("NO_SUCH_REASON"), ErrorReason::kUnspecified);
}

TEST(ErrorTable, MapsToTheCodesThatClientsActOn) {
  const ErrorInfo& missing = ErrorInfoOf(ErrorReason::kQueueDoesNotExist);
  EXPECT_EQ(missing.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.aws_code, "QueueDoesNotExist");
  EXPECT_EQ(missing.aws_query_code, "AWS.SimpleQueueService.NonExistentQueue");
  EXPECT_TRUE(missing.sender_fault);
  EXPECT_EQ(missing.http_status, 400);

  const ErrorInfo& away = ErrorInfoOf(ErrorReason::kStoreUnavailable);
  EXPECT_EQ(away.code, absl::StatusCode::kUnavailable);
  EXPECT_FALSE(away.sender_fault);
  EXPECT_EQ(away.advice, RetryAdvice::kRetry);
}

}  // namespace
}  // namespace weir
