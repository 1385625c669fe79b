#include "libs/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(ErrorTest, CarriesReasonCodeMessageAndMetadata) {
  const absl::Status status =
      MakeError(ErrorReason::kQueueDoesNotExist, "Queue \"a\" does not exist.", {{"queue", "a"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "Queue \"a\" does not exist.");
  EXPECT_EQ(ReasonOf(status), ErrorReason::kQueueDoesNotExist);
  EXPECT_THAT(MetadataOf(status), testing::ElementsAre(testing::Pair("queue", "a")));
}

TEST(ErrorTest, StatusWithoutReasonIsUnspecified) {
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), ErrorReason::kUnspecified);
  EXPECT_EQ(ReasonOf(absl::OkStatus()), ErrorReason::kUnspecified);
  EXPECT_TRUE(MetadataOf(absl::InternalError("x")).empty());
}

}  // namespace
}  // namespace weir
