#include "services/runner/mappings/batch_response.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace weir::runner::mappings {
namespace {

using Json = nlohmann::json;

constexpr char kFailures[] = "batchItemFailures";
constexpr char kIdentifier[] = "itemIdentifier";
// For people: what a function raised may be of any size.
constexpr size_t kErrorTextMax = 512;

BatchVerdict AllOf(size_t messages, bool succeeded, std::string problem = "") {
  return {.succeeded = std::vector<bool>(messages, succeeded), .problem = std::move(problem)};
}

// "TypeError: no such order", from Lambda's error object.
std::string FunctionError(const core::InvocationResult& result) {
  const Json error = Json::parse(result.payload, nullptr, /*allow_exceptions=*/false);
  if (!error.is_object()) return "The function failed.";
  const auto text = [&](const char* key) {
    const auto it = error.find(key);
    if (it == error.end() || !it->is_string()) return std::string();
    std::string value = it->get<std::string>();
    if (value.size() > kErrorTextMax) {
      size_t end = kErrorTextMax;
      while (end > 0 && (value[end] & 0xC0) == 0x80) --end;  // not within a character
      value.resize(end);
    }
    return value;
  };
  const std::string type = text("errorType");
  const std::string message = text("errorMessage");
  return absl::StrCat("The function failed: ", type, type.empty() || message.empty() ? "" : ": ",
                      message);
}

BatchVerdict Malformed(size_t messages, absl::string_view why) {
  return AllOf(messages, false,
               absl::StrCat("The function's answer is not a list of batch item failures (", why,
                            "), so the whole batch counts as failed."));
}

BatchVerdict JudgeItems(const Json& items, absl::Span<const std::string> message_ids) {
  BatchVerdict verdict = AllOf(message_ids.size(), true);
  for (const Json& item : items) {
    const auto id = item.is_object() ? item.find(kIdentifier) : item.end();
    if (!item.is_object() || id == item.end()) {
      return Malformed(message_ids.size(), "an item has no itemIdentifier");
    }
    if (!id->is_string() || id->get_ref<const std::string&>().empty()) {
      return Malformed(message_ids.size(), "an itemIdentifier is empty or no string");
    }
    const auto found =
        std::find(message_ids.begin(), message_ids.end(), id->get_ref<const std::string&>());
    if (found == message_ids.end()) {
      return Malformed(message_ids.size(),
                       absl::StrCat("itemIdentifier \"", id->get<std::string>(),
                                    "\" was not in the batch"));
    }
    verdict.succeeded[found - message_ids.begin()] = false;
  }
  const auto failed = std::count(verdict.succeeded.begin(), verdict.succeeded.end(), false);
  if (failed > 0) {
    verdict.problem = absl::StrCat("The function reported ", failed, " of ", message_ids.size(),
                                   " messages as failed.");
  }
  return verdict;
}

}  // namespace

BatchVerdict JudgeBatch(const core::InvocationResult& result, bool report_batch_item_failures,
                        absl::Span<const std::string> message_ids) {
  const size_t messages = message_ids.size();
  if (result.outcome != core::InvocationOutcome::kSucceeded) {
    return AllOf(messages, false, FunctionError(result));
  }
  if (!report_batch_item_failures || result.payload.empty()) return AllOf(messages, true);
  const Json answer = Json::parse(result.payload, nullptr, /*allow_exceptions=*/false);
  if (answer.is_discarded()) return Malformed(messages, "it is not JSON");
  if (answer.is_null()) return AllOf(messages, true);
  if (answer.is_string() && answer.get_ref<const std::string&>().empty()) {
    return AllOf(messages, true);
  }
  if (!answer.is_object()) return Malformed(messages, "it is not an object");
  if (answer.empty()) return AllOf(messages, true);
  const auto items = answer.find(kFailures);
  if (items == answer.end()) return Malformed(messages, "it has no batchItemFailures");
  if (items->is_null()) return AllOf(messages, true);
  if (!items->is_array()) return Malformed(messages, "batchItemFailures is not an array");
  return JudgeItems(*items, message_ids);
}

}  // namespace weir::runner::mappings
