// The AWS JSON 1.0 protocol: parameters and answers as JSON, blobs in base64.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/gateway/wire/aws_error.h"
#include "services/gateway/wire/shape.h"

namespace weir::gateway::wire {

// Names that the shape does not have are ignored, null is as good as absent. SerializationException for what is not JSON, or not of
// the shape's types.
Outcome ParseJsonInput(absl::string_view body, const Shape& input);

std::string FormatJsonAnswer(const Shape& output, const Value& value);
// `shape_namespace`: "com.amazonaws.sqs".
std::string FormatJsonError(const AwsError& error, absl::string_view shape_namespace);

}  // namespace weir::gateway::wire
