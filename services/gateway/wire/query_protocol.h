// The AWS Query protocol: parameters as a form with dotted names, answers as XML.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/gateway/wire/aws_error.h"
#include "services/gateway/wire/form.h"
#include "services/gateway/wire/shape.h"

namespace weir::gateway::wire {

// Names that the shape does not have are ignored.
Outcome ParseQueryInput(const Parameters& parameters, const Shape& input);

// `output` null: the operation answers nothing but that it is done.
std::string FormatXmlAnswer(absl::string_view operation, absl::string_view xml_namespace, const Shape* output,
                            const Value& value, absl::string_view request_id);
std::string FormatXmlError(const AwsError& error, absl::string_view xml_namespace, absl::string_view request_id);

}  // namespace weir::gateway::wire
