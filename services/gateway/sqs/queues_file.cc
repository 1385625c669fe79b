#include "services/gateway/sqs/queues_file.h"

#include <functional>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/account.h"
#include "libs/base/status_macros.h"
#include "services/gateway/sqs/call.h"
#include "services/gateway/sqs/queue_attributes.h"
#include "services/gateway/sqs/queue_name.h"
#include "services/gateway/wire/credential.h"
#include "services/gateway/wire/form.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::gateway::sqs {
namespace {

using Json = nlohmann::ordered_json;
using queue::v1::QueueAttributes;
using wire::Value;

constexpr absl::string_view kFifoSuffix = ".fifo";
constexpr size_t kNameMax = 80;
constexpr size_t kTagsMax = 50;
constexpr size_t kTagKeyMax = 128;
constexpr size_t kTagValueMax = 256;

// The queue service refuses what lies outside as well; but then half of the file would be done.
struct Range {
  absl::string_view attribute;
  int64_t min;
  int64_t max;
};
constexpr Range kRanges[] = {{"VisibilityTimeout", 0, 43'200},
                             {"DelaySeconds", 0, 900},
                             {"MessageRetentionPeriod", 60, 1'209'600},
                             {"ReceiveMessageWaitTimeSeconds", 0, 20},
                             {"MaximumMessageSize", 1'024, 1'048'576}};

struct Choice {
  absl::string_view attribute;
  absl::string_view allowed;
};
constexpr Choice kFifoAttributes[] = {{"ContentBasedDeduplication", "true or false"},
                                      {"DeduplicationScope", "queue or messageGroup"},
                                      {"FifoThroughputLimit", "perQueue or perMessageGroupId"}};

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

// With what it is said of, outermost first.
absl::Status In(absl::string_view where, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", status.message()));
}

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

// ---- JSON ----

// Of two members with one name a reader of JSON sees one, and nobody knows which.
class DuplicateKeys {
 public:
  bool operator()(int, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_.emplace_back();
    if (event == Json::parse_event_t::object_end) open_.pop_back();
    if (event == Json::parse_event_t::key) {
      const std::string key = parsed.get<std::string>();
      if (!open_.back().insert(key).second && !first_.has_value()) first_ = key;
    }
    return true;
  }
  const std::optional<std::string>& first() const { return first_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::optional<std::string> first_;
};

absl::StatusOr<Json> ParseJson(const std::string& text) {
  DuplicateKeys duplicates;
  Json json;
  try {
    json = Json::parse(text, std::ref(duplicates), /*allow_exceptions=*/true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 7: …"
    absl::string_view what = error.what();
    const size_t begin = what.find("parse error at ");
    if (begin != absl::string_view::npos) what.remove_prefix(begin + 15);
    return Wrong(absl::StrCat("it is not JSON: ", what));
  }
  if (duplicates.first().has_value()) {
    return Wrong(absl::StrCat(Quoted(*duplicates.first()), " stands twice in one object; leave one of them"));
  }
  return json;
}

absl::Status CheckMembers(const Json& object, std::initializer_list<absl::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (absl::c_linear_search(known, absl::string_view(key))) continue;
    return Wrong(absl::StrCat(Quoted(key), " is not known; what may stand here is ", absl::StrJoin(known, ", ")));
  }
  return absl::OkStatus();
}

// A member that is a text; `missing` where there is none.
absl::StatusOr<std::string> TextOf(const Json& object, const char* key, const std::string& missing) {
  const auto found = object.find(key);
  if (found == object.end()) return missing;
  if (!found->is_string()) return Wrong(absl::StrCat(Quoted(key), " is ", found->dump(), ", and must be a text"));
  return found->get<std::string>();
}

// ---- Names ----

bool IsQueueName(absl::string_view name) {
  absl::string_view stem = name;
  absl::ConsumeSuffix(&stem, kFifoSuffix);
  return !stem.empty() && name.size() <= kNameMax &&
         absl::c_all_of(stem, [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

bool IsFifo(absl::string_view name) { return absl::EndsWith(name, kFifoSuffix); }

std::string ArnOf(const wire::CallContext& owner, absl::string_view name) {
  return absl::StrCat("arn:aws:sqs:", owner.region, ":", owner.account, ":", name);
}
std::string ArnOf(const DeclaredQueue& queue) { return ArnOf(queue.owner, queue.name); }

absl::Status ReadNames(const Json& json, const QueuesFileOptions& options, DeclaredQueue& out) {
  WEIR_ASSIGN_OR_RETURN(out.name, TextOf(json, "name", ""));
  if (out.name.empty()) return Wrong("it has no \"name\"");
  if (!IsQueueName(out.name)) {
    return Wrong("a name has 1 to 80 of A-Z, a-z, 0-9, '-' and '_', and ends in .fifo if the queue is a FIFO queue");
  }
  WEIR_ASSIGN_OR_RETURN(out.owner.account, TextOf(json, "account", options.default_account));
  if (!IsAccount(out.owner.account)) {
    return Wrong(absl::StrCat("\"account\" is ", Quoted(out.owner.account), ", and must be 12 digits"));
  }
  WEIR_ASSIGN_OR_RETURN(out.owner.region, TextOf(json, "region", options.default_region));
  const bool is_region = !out.owner.region.empty() && out.owner.region.size() <= 32 && absl::ascii_islower(out.owner.region[0]) &&
                         absl::c_all_of(out.owner.region,
                                        [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-'; });
  if (!is_region) {
    return Wrong(absl::StrCat("\"region\" is ", Quoted(out.owner.region), ", and must be a region such as us-east-1"));
  }
  return absl::OkStatus();
}

// ---- Attributes ----

absl::StatusOr<std::string> AttributeText(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer() || value.is_boolean() || value.is_object()) return value.dump();
  return Wrong(absl::StrCat("it is ", value.dump(), ", and must be a text, a whole number, true or false, or a policy's object"));
}

absl::Status ReadAttributes(const Json& json, DeclaredQueue& out) {
  const auto attributes = json.find("attributes");
  if (attributes == json.end()) return absl::OkStatus();
  if (!attributes->is_object()) return Wrong("\"attributes\" must be an object of SQS's attributes");
  for (const auto& [name, value] : attributes->items()) {
    const absl::StatusOr<std::string> text = AttributeText(value);
    if (!text.ok()) return In(absl::StrCat("attribute ", name), text.status());
    out.attributes.Set(name, Value(*text));
  }
  return absl::OkStatus();
}

// "deadLetterQueue" is RedrivePolicy by name instead of by ARN.
absl::Status ReadDeadLetterQueue(const Json& json, const std::set<std::string>& names, DeclaredQueue& out) {
  const auto found = json.find("deadLetterQueue");
  if (found == json.end()) return absl::OkStatus();
  if (!out.attributes["RedrivePolicy"].absent()) {
    return Wrong("\"deadLetterQueue\" and the attribute RedrivePolicy say the same; leave one of them");
  }
  constexpr absl::string_view kWanted = "it must be {\"name\": …, \"maxReceiveCount\": 1 to 1000}";
  if (!found->is_object()) return In("\"deadLetterQueue\"", Wrong(kWanted));
  WEIR_RETURN_IF_ERROR(In("\"deadLetterQueue\"", CheckMembers(*found, {"name", "maxReceiveCount"})));
  WEIR_ASSIGN_OR_RETURN(const std::string name, TextOf(*found, "name", ""));
  const Json count = found->value("maxReceiveCount", Json());
  const bool counts = count.is_number_integer() && count.get<int64_t>() >= 1 && count.get<int64_t>() <= 1000;
  if (name.empty() || !counts) return In("\"deadLetterQueue\"", Wrong(kWanted));
  if (names.count(ArnOf(out.owner, name)) == 0) {
    return In("\"deadLetterQueue\"",
              Wrong(absl::StrCat(Quoted(name), " is not declared in this file for the same account and region; declare it, or name a "
                                 "queue that exists by its ARN in the attribute RedrivePolicy")));
  }
  const Json policy = {{"deadLetterTargetArn", ArnOf(out.owner, name)}, {"maxReceiveCount", count}};
  out.attributes.Set("RedrivePolicy", Value(policy.dump()));
  return absl::OkStatus();
}

absl::Status CheckType(DeclaredQueue& queue) {
  const Value& given = queue.attributes["FifoQueue"];
  if (!IsFifo(queue.name)) {
    if (!given.absent()) {
      return Wrong("attribute FifoQueue: the queue's name does not end in .fifo, so it is a standard queue; leave the attribute out, "
                   "or name the queue NAME.fifo");
    }
    for (const Choice& attribute : kFifoAttributes) {
      if (queue.attributes[attribute.attribute].absent()) continue;
      return Wrong(absl::StrCat("attribute ", attribute.attribute, ": only FIFO queues have it, whose names end in .fifo"));
    }
    return absl::OkStatus();
  }
  if (given.absent()) queue.attributes.Set("FifoQueue", Value("true"));
  if (queue.attributes["FifoQueue"].text() != "true") {
    return Wrong("attribute FifoQueue: the queue's name ends in .fifo, so it must be true, or be left out");
  }
  if (queue.attributes["FifoThroughputLimit"].text() == "perMessageGroupId" &&
      queue.attributes["DeduplicationScope"].text() != "messageGroup") {
    return Wrong("attribute FifoThroughputLimit: perMessageGroupId needs the attribute DeduplicationScope to be messageGroup");
  }
  return absl::OkStatus();
}

// What is right for an attribute whose value is not; empty: the error says it itself.
std::string AllowedValue(absl::string_view attribute) {
  for (const Range& range : kRanges) {
    if (range.attribute == attribute) return absl::StrCat("a whole number between ", range.min, " and ", range.max);
  }
  for (const Choice& choice : kFifoAttributes) {
    if (choice.attribute == attribute) return std::string(choice.allowed);
  }
  return "";
}

bool IsInRange(absl::string_view attribute, absl::string_view text) {
  for (const Range& range : kRanges) {
    int64_t number = 0;
    if (range.attribute != attribute) continue;
    return absl::SimpleAtoi(text, &number) && number >= range.min && number <= range.max;
  }
  return true;
}

absl::Status CheckAttribute(const DeclaredQueue& queue, const std::string& name, const Value& value, QueueAttributes& out) {
  // Not as relaxed as with clients: who writes the file can set it right.
  const SqsOptions options;
  const Call call{"CreateQueue", queue.owner, options, value};
  const MaybeError error = EncodeAttributes(call, Value(Value::Fields{{name, value}}), out);
  if (error.has_value() && error->code == "InvalidAttributeName") {
    return Wrong(absl::StrCat("it cannot be set; those that can are ", absl::StrJoin(SettableAttributes(), ", ")));
  }
  const std::string allowed = AllowedValue(name);
  if (!allowed.empty() && (error.has_value() || !IsInRange(name, value.text()))) {
    return Wrong(absl::StrCat("it is ", Quoted(value.text()), ", and must be ", allowed));
  }
  return error.has_value() ? Wrong(error->message) : absl::OkStatus();
}

absl::Status CheckRedrivePolicy(const DeclaredQueue& queue, const QueueAttributes& attributes) {
  if (queue.attributes["RedrivePolicy"].text().empty()) return absl::OkStatus();
  const std::string& arn = attributes.redrive_policy().dead_letter_queue_arn();
  queue::v1::QueueRef target;
  if (!SetQueueByArn(arn, target)) {
    return Wrong(absl::StrCat("deadLetterTargetArn is ", Quoted(arn), ", and must be arn:aws:sqs:REGION:ACCOUNT:NAME"));
  }
  if (target.namespace_().account() != queue.owner.account || target.namespace_().region() != queue.owner.region) {
    return Wrong(absl::StrCat("deadLetterTargetArn is ", Quoted(arn), ", and must be a queue of the same account and region, ",
                              ArnOf(queue.owner, "…")));
  }
  if (IsFifo(target.name()) != IsFifo(queue.name)) {
    return Wrong(absl::StrCat("the dead-letter queue of a ", IsFifo(queue.name) ? "FIFO" : "standard", " queue must be one, too, and ",
                              target.name(), " is not"));
  }
  return absl::OkStatus();
}

absl::Status CheckRedriveAllowPolicy(const QueueAttributes& attributes) {
  const auto& policy = attributes.redrive_allow_policy();
  const bool by_queue = policy.redrive_permission() == queue::v1::REDRIVE_PERMISSION_BY_QUEUE;
  const int sources = policy.source_queue_arns_size();
  if (by_queue ? (sources < 1 || sources > 10) : sources > 0) {
    return Wrong("sourceQueueArns must be 1 to 10 queues where redrivePermission is byQueue, and be left out else");
  }
  for (const std::string& arn : policy.source_queue_arns()) {
    queue::v1::QueueRef source;
    if (!SetQueueByArn(arn, source)) {
      return Wrong(absl::StrCat("in sourceQueueArns, ", Quoted(arn), " must be arn:aws:sqs:REGION:ACCOUNT:NAME"));
    }
  }
  return absl::OkStatus();
}

// Also who its dead-letter queue is; empty: it has none.
absl::StatusOr<std::string> CheckAttributes(DeclaredQueue& queue) {
  WEIR_RETURN_IF_ERROR(CheckType(queue));
  QueueAttributes encoded;
  for (const auto& [name, value] : queue.attributes.fields()) {
    WEIR_RETURN_IF_ERROR(In(absl::StrCat("attribute ", name), CheckAttribute(queue, name, value, encoded)));
  }
  WEIR_RETURN_IF_ERROR(In("attribute RedrivePolicy", CheckRedrivePolicy(queue, encoded)));
  WEIR_RETURN_IF_ERROR(In("attribute RedriveAllowPolicy", CheckRedriveAllowPolicy(encoded)));
  return encoded.redrive_policy().dead_letter_queue_arn();
}

// ---- Tags ----

size_t Characters(absl::string_view text) {
  return static_cast<size_t>(absl::c_count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

absl::Status ReadTags(const Json& json, DeclaredQueue& out) {
  const auto tags = json.find("tags");
  if (tags == json.end()) return absl::OkStatus();
  if (!tags->is_object()) return Wrong("\"tags\" must be an object of texts");
  if (tags->size() > kTagsMax) return Wrong(absl::StrCat("it has ", tags->size(), " tags; ", kTagsMax, " are the most"));
  for (const auto& [key, value] : tags->items()) {
    if (!value.is_string()) return Wrong(absl::StrCat("tag ", Quoted(key), " is ", value.dump(), ", and must be a text"));
    const std::string text = value.get<std::string>();
    const size_t key_size = Characters(key);
    if (key_size < 1 || key_size > kTagKeyMax || Characters(text) > kTagValueMax ||
        absl::c_any_of(absl::StrCat(key, text), absl::ascii_iscntrl)) {
      return Wrong(absl::StrCat("tag ", Quoted(key), ": a key has 1 to ", kTagKeyMax, " characters, a value at most ", kTagValueMax,
                                ", none of them a control character"));
    }
    if (absl::StartsWithIgnoreCase(key, "aws:")) {
      return Wrong(absl::StrCat("tag ", Quoted(key), ": keys that begin with aws: are reserved"));
    }
    out.tags.Set(key, Value(text));
  }
  return absl::OkStatus();
}

// ---- The file ----

struct Read {
  std::string where;  // "queue 2, "orders""
  DeclaredQueue queue;
  std::string dead_letter_arn;
};

// First who they are, then what they have: a queue may name one that comes later.
absl::Status ReadQueues(const Json& list, const QueuesFileOptions& options, std::vector<Read>& out) {
  std::map<std::string, size_t> by_arn;
  std::set<std::string> names;
  for (const Json& json : list) {
    Read& read = out.emplace_back();
    read.where = absl::StrCat("queue ", out.size());
    if (!json.is_object()) return In(read.where, Wrong("it must be an object"));
    const auto name = json.find("name");
    if (name != json.end() && name->is_string()) absl::StrAppend(&read.where, ", ", name->dump());
    WEIR_RETURN_IF_ERROR(In(
        read.where, CheckMembers(json, {"name", "attributes", "deadLetterQueue", "tags", "account", "region"})));
    WEIR_RETURN_IF_ERROR(In(read.where, ReadNames(json, options, read.queue)));
    const auto [first, is_new] = by_arn.emplace(ArnOf(read.queue), out.size());
    if (!is_new) return In(read.where, Wrong(absl::StrCat("it is declared already, as queue ", first->second)));
    names.insert(ArnOf(read.queue));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    DeclaredQueue& queue = out[i].queue;
    WEIR_RETURN_IF_ERROR(In(out[i].where, ReadAttributes(list[i], queue)));
    WEIR_RETURN_IF_ERROR(In(out[i].where, ReadDeadLetterQueue(list[i], names, queue)));
    WEIR_RETURN_IF_ERROR(In(out[i].where, ReadTags(list[i], queue)));
    auto dead_letter_arn = CheckAttributes(queue);
    if (!dead_letter_arn.ok()) return In(out[i].where, dead_letter_arn.status());
    out[i].dead_letter_arn = *std::move(dead_letter_arn);
  }
  return absl::OkStatus();
}

// Each after its dead-letter queue, else in the order of the file.
absl::StatusOr<std::vector<DeclaredQueue>> InOrderOfCreation(std::vector<Read> read) {
  std::map<std::string, Read*> waiting;
  for (Read& entry : read) waiting.emplace(ArnOf(entry.queue), &entry);
  std::vector<Read*> ordered;
  for (const Read& entry : read) {
    std::vector<Read*> chain;
    for (auto next = waiting.find(ArnOf(entry.queue)); next != waiting.end();
         next = waiting.find(chain.back()->dead_letter_arn)) {
      if (absl::c_linear_search(chain, next->second)) {
        std::string path;
        for (const Read* link : chain) absl::StrAppend(&path, link->queue.name, " → ");
        return In(entry.where, Wrong(absl::StrCat("dead-letter queues must not form a circle: ", path, next->second->queue.name)));
      }
      chain.push_back(next->second);
    }
    for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
      waiting.erase(ArnOf((*link)->queue));
      ordered.push_back(*link);
    }
  }
  std::vector<DeclaredQueue> queues;
  for (Read* entry : ordered) queues.push_back(std::move(entry->queue));
  return queues;
}

absl::StatusOr<std::vector<DeclaredQueue>> Parse(const std::string& text, const QueuesFileOptions& options) {
  if (!wire::IsUtf8(text)) return Wrong("it is not UTF-8");
  WEIR_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  if (!json.is_object() || !json.contains("queues")) return Wrong("it must be an object with \"queues\": {\"queues\": [ … ]}");
  WEIR_RETURN_IF_ERROR(CheckMembers(json, {"queues"}));
  if (!json["queues"].is_array()) return Wrong("\"queues\" must be a list");
  std::vector<Read> read;
  WEIR_RETURN_IF_ERROR(ReadQueues(json["queues"], options, read));
  return InOrderOfCreation(std::move(read));
}

}  // namespace

absl::StatusOr<std::vector<DeclaredQueue>> ParseQueuesFile(const std::string& text, const QueuesFileOptions& options) {
  auto queues = Parse(text, options);
  if (!queues.ok()) return In(options.path, queues.status());
  return queues;
}

}  // namespace weir::gateway::sqs
