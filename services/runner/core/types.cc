#include "services/runner/core/types.h"

#include "absl/strings/str_cat.h"

namespace weir::runner::core {

std::string FunctionArn(const FunctionName& name) {
  return absl::StrCat("arn:aws:lambda:", name.region, ":", name.account, ":function:", name.name);
}

}  // namespace weir::runner::core
