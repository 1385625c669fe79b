// Forms of the Query protocol, and what XML is made of them.
#include "services/gateway/fuzz/operations.h"
#include "services/gateway/wire/form.h"
#include "services/gateway/wire/query_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::gateway;
  const fuzz::FuzzedRequest request = fuzz::RequestOf(data, size);
  const wire::Outcome outcome = wire::ParseQueryInput(wire::ParseForm(request.body), *request.input);
  fuzz::RequireReadable(outcome, *request.input);
  const auto* value = std::get_if<wire::Value>(&outcome);
  const std::string xml = value == nullptr ? wire::FormatXmlError(std::get<wire::AwsError>(outcome), "fuzz", "id")
                                           : wire::FormatXmlAnswer("Fuzz", "fuzz", request.input, *value, "id");
  fuzz::Require(wire::IsUtf8(xml), "XML is UTF-8");
  return 0;
}
