// Bodies of the JSON protocol.
#include "services/gateway/fuzz/operations.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::gateway;
  const fuzz::FuzzedRequest request = fuzz::RequestOf(data, size);
  fuzz::RequireReadable(wire::ParseJsonInput(request.body, *request.input), *request.input);
  return 0;
}
