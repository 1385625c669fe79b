#include "bench/peers/jetstream_protocol.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace weir::bench {

absl::StatusOr<uint64_t> SequenceOfPubAck(absl::string_view json) {
  const nlohmann::json answer =
      nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  const auto sequence = answer.is_object() ? answer.find("seq") : answer.end();
  if (sequence == answer.end() || answer.contains("error") || !sequence->is_number_unsigned()) {
    return absl::InternalError(absl::StrCat("JetStream answered a publish with: ", json));
  }
  return sequence->get<uint64_t>();
}

absl::StatusOr<uint64_t> SequenceOfReplySubject(absl::string_view subject) {
  const std::vector<absl::string_view> words = absl::StrSplit(subject, '.');
  uint64_t sequence = 0;
  if (words.size() != 9 || words[0] != "$JS" || words[1] != "ACK" ||
      !absl::SimpleAtoi(words[5], &sequence)) {
    return absl::InternalError(
        absl::StrCat("\"", subject, "\" is not the reply subject of a JetStream message."));
  }
  return sequence;
}

}  // namespace weir::bench
