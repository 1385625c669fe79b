#include "libs/grpcx/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace weir::grpcx {
namespace {

TEST(GrpcStatusTest, KeepsCodeMessageReasonAndMetadata) {
  const absl::Status status =
      MakeError(ErrorReason::kQueueDoesNotExist, "No queue \"a\".", {{"queue", "a"}});
  const grpc::Status wire = ToGrpcStatus(status);
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::NOT_FOUND);
  const absl::Status back = FromGrpcStatus(wire);
  EXPECT_EQ(back.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(back.message(), "No queue \"a\".");
  EXPECT_EQ(ReasonOf(back), ErrorReason::kQueueDoesNotExist);
  EXPECT_THAT(MetadataOf(back), testing::ElementsAre(testing::Pair("queue", "a")));
}

TEST(GrpcStatusTest, EveryErrorOnTheWireHasAReason) {
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(absl::InternalError("oops")));
  EXPECT_EQ(ReasonOf(back), ErrorReason::kInternal);
}

TEST(GrpcStatusTest, ErrorsOfTheConnectionHaveNone) {
  const absl::Status back =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "failed to connect"));
  EXPECT_EQ(ReasonOf(back), ErrorReason::kUnspecified);
  EXPECT_TRUE(absl::IsUnavailable(back));
}

TEST(GrpcStatusTest, LongValuesLoseTheirMiddleSoThatTheTrailersAreNotRefused) {
  std::string value;
  while (value.size() < 300'000) value += "ä€";
  const grpc::Status wire = ToGrpcStatus(
      MakeError(ErrorReason::kInvalidParameterValue,
                "Value \"" + value + "\" for name is invalid: at most 80.", {{"field", value}}));
  EXPECT_LT(3 * wire.error_message().size() + wire.error_details().size() * 4 / 3, 8'000u);
  EXPECT_THAT(wire.error_message(), testing::StartsWith("Value \"ä€"));
  EXPECT_THAT(wire.error_message(), testing::EndsWith("for name is invalid: at most 80."));
  EXPECT_EQ(ReasonOf(FromGrpcStatus(wire)), ErrorReason::kInvalidParameterValue);
}

TEST(GrpcStatusTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

}  // namespace
}  // namespace weir::grpcx
