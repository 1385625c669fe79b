#include "services/queue/api/validation.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/account.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace weir::queue::api {
namespace {

constexpr size_t kQueueNameMax = 80;
constexpr size_t kEntryIdMax = 80;
constexpr size_t kTokenMax = 128;
constexpr size_t kTagsMax = 50;
constexpr size_t kTagKeyMax = 128;
constexpr size_t kTagValueMax = 256;
constexpr size_t kAnnotationsMax = 50;
constexpr size_t kAnnotationKeyMax = 128;
constexpr size_t kAnnotationValueMax = 2'048;

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; }

bool IsName(absl::string_view text, size_t max) {
  return !text.empty() && text.size() <= max && std::all_of(text.begin(), text.end(), IsNameCharacter);
}

bool IsRegion(absl::string_view text) {
  return !text.empty() && text.size() <= 32 && absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

absl::Status Invalid(absl::string_view field, absl::string_view value, absl::string_view allowed,
                     ErrorReason reason = ErrorReason::kInvalidParameterValue) {
  return MakeError(reason,
                   absl::StrCat("Value \"", value, "\" for ", field, " is invalid: ", allowed, "."),
                   {{"field", std::string(field)}});
}

// Of UTF-8, as protobuf guarantees it.
size_t Characters(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool HasControlCharacters(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); });
}

}  // namespace

absl::Status MissingParameter(absl::string_view field) {
  return MakeError(ErrorReason::kMissingParameter,
                   absl::StrCat("The request must contain the parameter ", field, "."),
                   {{"field", std::string(field)}});
}

absl::StatusOr<store::QueueName> CheckNamespace(const common::v1::Namespace& ns,
                                                absl::string_view field) {
  store::QueueName name{.account = ns.account().empty() ? "000000000000" : ns.account(),
                        .region = ns.region().empty() ? "us-east-1" : ns.region()};
  if (!IsAccount(name.account)) {
    return Invalid(absl::StrCat(field, ".account"), name.account, "an account has 12 digits");
  }
  if (!IsRegion(name.region)) {
    return Invalid(absl::StrCat(field, ".region"), name.region,
                   "a region has 1 to 32 of a-z, 0-9 and '-' and starts with a letter");
  }
  return name;
}

absl::StatusOr<store::QueueName> CheckQueueRef(const v1::QueueRef& ref, absl::string_view field) {
  WEIR_ASSIGN_OR_RETURN(store::QueueName name,
                        CheckNamespace(ref.namespace_(), absl::StrCat(field, ".namespace")));
  if (ref.name().empty()) {
    return MakeError(ErrorReason::kMissingParameter,
                     absl::StrCat("The request must name a queue in ", field, ".name."),
                     {{"field", absl::StrCat(field, ".name")}});
  }
  absl::string_view stem = ref.name();
  absl::ConsumeSuffix(&stem, ".fifo");
  if (ref.name().size() > kQueueNameMax || !IsName(stem, kQueueNameMax)) {
    return Invalid(absl::StrCat(field, ".name"), ref.name(),
                   "a queue name has 1 to 80 of A-Z, a-z, 0-9, '-' and '_'");
  }
  name.name = ref.name();
  return name;
}

absl::StatusOr<absl::Duration> CheckDuration(const google::protobuf::Duration& duration,
                                             absl::string_view field, absl::Duration min,
                                             absl::Duration max, bool whole_seconds,
                                             ErrorReason reason) {
  const absl::Duration value =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (value < min || value > max || (whole_seconds && duration.nanos() != 0)) {
    return Invalid(field, absl::FormatDuration(value),
                   absl::StrCat("must be between ", absl::FormatDuration(min), " and ",
                                absl::FormatDuration(max),
                                whole_seconds ? ", in whole seconds" : ""),
                   reason);
  }
  return value;
}

absl::StatusOr<int32_t> CheckCount(int32_t value, absl::string_view field, int32_t min, int32_t max,
                                   int32_t default_value) {
  if (value == 0) return default_value;
  if (value < min || value > max) {
    return Invalid(field, absl::StrCat(value), absl::StrCat("must be between ", min, " and ", max));
  }
  return value;
}

absl::Status CheckToken(absl::string_view token, absl::string_view field) {
  const bool well_formed = !token.empty() && token.size() <= kTokenMax &&
                           std::all_of(token.begin(), token.end(), absl::ascii_isgraph);
  if (well_formed) return absl::OkStatus();
  return Invalid(field, token,
                 "it can only include alphanumeric and punctuation characters, 1 to 128 in length");
}

absl::Status CheckTags(const store::Tags& tags) {
  if (tags.size() > kTagsMax) {
    return MakeError(ErrorReason::kInvalidParameterValue,
                     absl::StrCat("A queue has at most ", kTagsMax, " tags; with these tags it would have ",
                                  tags.size(), "."),
                     {{"field", "tags"}});
  }
  for (const auto& [key, value] : tags) {
    if (key.empty() || Characters(key) > kTagKeyMax || HasControlCharacters(key)) {
      return Invalid("tags", key, "the key of a tag has 1 to 128 characters, none of them a control character");
    }
    if (Characters(value) > kTagValueMax || HasControlCharacters(value)) {
      return Invalid(absl::StrCat("tags[\"", key, "\"]"), value,
                     "the value of a tag has 0 to 256 characters, none of them a control character");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAnnotations(const std::map<std::string, std::string>& annotations) {
  const auto invalid = [](absl::string_view field, absl::string_view sentence) {
    return MakeError(ErrorReason::kInvalidAttributeValue, sentence, {{"attribute", std::string(field)}});
  };
  if (annotations.size() > kAnnotationsMax) {
    return invalid("annotations", absl::StrCat("A queue has at most ", kAnnotationsMax,
                                               " annotations; with these it would have ", annotations.size(), "."));
  }
  for (const auto& [key, value] : annotations) {
    const bool well_formed = !key.empty() && key.size() <= kAnnotationKeyMax &&
                             std::all_of(key.begin(), key.end(), [](char c) { return IsNameCharacter(c) || c == '.'; });
    // It may be too long to be shown whole.
    if (!well_formed) {
      return invalid("annotations", absl::StrCat("Key \"", absl::CHexEscape(absl::string_view(key).substr(0, kAnnotationKeyMax)),
                                                 "\" of annotations is invalid: it has 1 to ", kAnnotationKeyMax,
                                                 " of A-Z, a-z, 0-9, '-', '_' and '.'."));
    }
    if (Characters(value) > kAnnotationValueMax || HasControlCharacters(value)) {
      const std::string field = absl::StrCat("annotations.", key);
      return invalid(field, absl::StrCat("Value for attribute ", field, " is invalid: it has 1 to ", kAnnotationValueMax,
                                         " characters, none of them a control character; this one has ",
                                         Characters(value), "."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBatchSize(int size) {
  if (size == 0) {
    return MakeError(ErrorReason::kBatchEmpty, "There should be at least one entry in the request.");
  }
  if (size > kBatchEntriesMax) {
    return MakeError(ErrorReason::kBatchTooManyEntries,
                     absl::StrCat("Maximum number of entries per request are ", kBatchEntriesMax,
                                  ". You have sent ", size, "."));
  }
  return absl::OkStatus();
}

absl::Status CheckBatchEntryId(absl::string_view id) {
  if (IsName(id, kEntryIdMax)) return absl::OkStatus();
  return MakeError(ErrorReason::kBatchEntryIdInvalid,
                   absl::StrCat("Entry id \"", id,
                                "\" is invalid: a batch entry id can only contain alphanumeric "
                                "characters, hyphens and underscores. It can be at most 80 letters "
                                "long."),
                   {{"id", std::string(id)}});
}

absl::Status DuplicateBatchEntryId(absl::string_view id) {
  return MakeError(ErrorReason::kBatchEntryIdsNotDistinct, absl::StrCat("Id ", id, " repeated."),
                   {{"id", std::string(id)}});
}

}  // namespace weir::queue::api
