#include "services/gateway/sqs/queue_declarer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/observe/log.h"
#include "services/gateway/sqs/call.h"
#include "services/gateway/sqs/queue_attributes.h"
#include "weir/queue/v1/queue.pb.h"

namespace weir::gateway::sqs {
namespace {

using wire::AwsError;
using wire::Outcome;
using wire::Value;

const AwsError* ErrorOf(const Outcome& outcome) { return std::get_if<AwsError>(&outcome); }
const Value& ValueOf(const Outcome& outcome) { return std::get<Value>(outcome); }

// Whether the same may succeed later: the service is away, or somebody else created or deleted the queue meanwhile, or deleted it less
// than a minute ago.
bool MayPass(const AwsError& error) {
  return !error.sender_fault || error.code == "QueueNameExists" || error.code == "QueueDoesNotExist" ||
         error.code == "QueueDeletedRecently";
}

// The attributes as their queue would answer them, so that they can be compared with what it does answer.
Value AsAnswered(const DeclaredQueue& declared) {
  const SqsOptions options;
  const Value none;
  queue::v1::Queue queue;
  const MaybeError error = EncodeAttributes({"SetQueueAttributes", declared.owner, options, none}, declared.attributes,
                                            *queue.mutable_attributes());
  WEIR_CHECK(!error.has_value(), "the file of queues is checked before");
  Value::List names;
  for (const auto& [name, value] : declared.attributes.fields()) names.push_back(Value(name));
  return DecodeAttributes(queue, Value(std::move(names)));
}

// The fields of `wanted` that are not in `current`.
Value Missing(const Value& wanted, const Value& current) {
  Value missing{Value::Fields()};
  for (const auto& [key, value] : wanted.fields()) {
    if (current[key].absent() || current[key].text() != value.text()) missing.Set(key, value);
  }
  return missing;
}

std::string NamesIn(const Value& fields) {
  return absl::StrJoin(fields.fields(), ", ", [](std::string* out, const auto& field) { out->append(field.first); });
}

void Log(absl::string_view what, const DeclaredQueue& queue, const Value& attributes, const Value& tags) {
  observe::Log(observe::Level::kInfo, what,
               {{"queue", queue.name},
                {"account", queue.owner.account},
                {"region", queue.owner.region},
                {"attributes", NamesIn(attributes)},
                {"tags", NamesIn(tags)}});
}

Value Named(const DeclaredQueue& queue) {
  Value input;
  input.Set("QueueUrl", Value(queue.name));
  return input;
}

}  // namespace

// Of a call; it may come when nobody waits for it any more.
struct QueueDeclarer::Answer {
  Notification came;
  Outcome outcome;
};

QueueDeclarer::QueueDeclarer(wire::Service& service, std::vector<DeclaredQueue> queues, DeclarerOptions options)
    : service_(service), queues_(std::move(queues)), options_(std::move(options)), thread_([this] {
        absl::Status outcome = Run();
        MutexLock lock(&mu_);
        outcome_ = std::move(outcome);
      }) {}

absl::Status QueueDeclarer::Await(absl::Duration timeout) const {
  MutexLock lock(&mu_);
  const bool ended = mu_.AwaitWithTimeout([this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return outcome_.has_value(); }, timeout);
  return ended ? *outcome_ : absl::DeadlineExceededError("The queues of the file are not there yet.");
}

void QueueDeclarer::Stop() {
  wire::Service::Cancel cancel;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    cancel = cancel_;
  }
  if (cancel != nullptr) cancel();
  if (thread_.joinable()) thread_.join();
}

absl::Status QueueDeclarer::Run() {
  for (const DeclaredQueue& queue : queues_) WEIR_RETURN_IF_ERROR(Declare(queue));
  observe::Log(observe::Level::kInfo, "the queues of the file are there",
               {{"file", options_.path}, {"queues", absl::StrCat(queues_.size())}});
  options_.when_there();
  return absl::OkStatus();
}

absl::Status QueueDeclarer::Declare(const DeclaredQueue& queue) {
  absl::Duration pause = options_.pause_min;
  std::string told;
  while (true) {
    const Outcome outcome = Bring(queue);
    const AwsError* error = ErrorOf(outcome);
    if (error == nullptr) return absl::OkStatus();
    if (stopping()) break;
    if (!MayPass(*error)) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.path, ": queue \"", queue.name, "\" of account ", queue.owner.account, ", region ", queue.owner.region,
                       ", cannot be what the file says: ", error->code, ": ", error->message));
    }
    if (error->code != told) {
      observe::Log(observe::Level::kWarning, "a queue of the file cannot be looked after yet; it is tried again",
                   {{"queue", queue.name}, {"code", error->code}, {"error", error->message}});
      told = error->code;
    }
    if (!Pause(pause)) break;
    pause = std::min(pause * 2, options_.pause_max);
  }
  return absl::CancelledError("The queues of the file were not looked after to the end.");
}

Outcome QueueDeclarer::Bring(const DeclaredQueue& queue) {
  Value input = Named(queue);
  input.Set("AttributeNames", Value(Value::List{Value("All")}));
  Outcome current = Call("GetQueueAttributes", queue, std::move(input));
  const AwsError* error = ErrorOf(current);
  if (error == nullptr) return Change(queue, ValueOf(current)["Attributes"]);
  return error->code == "QueueDoesNotExist" ? Create(queue) : std::move(current);
}

Outcome QueueDeclarer::Create(const DeclaredQueue& queue) {
  Value input;
  input.Set("QueueName", Value(queue.name));
  if (!queue.attributes.absent()) input.Set("Attributes", queue.attributes);
  if (!queue.tags.absent()) input.Set("tags", queue.tags);
  Outcome created = Call("CreateQueue", queue, std::move(input));
  if (ErrorOf(created) == nullptr) Log("a queue of the file was created", queue, queue.attributes, queue.tags);
  return created;
}

Outcome QueueDeclarer::Change(const DeclaredQueue& queue, const Value& current) {
  const Value wanted = AsAnswered(queue);
  Value attributes{Value::Fields()};
  for (const auto& [name, value] : queue.attributes.fields()) {
    // A policy that is to be removed is answered as none at all.
    const std::string& answer = value.text().empty() ? value.text() : wanted[name].text();
    if (answer != current[name].text()) attributes.Set(name, value);
  }
  if (!attributes.fields().empty()) {
    Value input = Named(queue);
    input.Set("Attributes", attributes);
    if (Outcome set = Call("SetQueueAttributes", queue, std::move(input)); ErrorOf(set) != nullptr) return set;
    Log("a queue of the file was changed", queue, attributes, Value());
  }
  if (queue.tags.absent()) return Value();
  Outcome tagged = Call("ListQueueTags", queue, Named(queue));
  if (ErrorOf(tagged) != nullptr) return tagged;
  const Value tags = Missing(queue.tags, ValueOf(tagged)["Tags"]);
  if (tags.fields().empty()) return Value();
  Value input = Named(queue);
  input.Set("Tags", tags);
  Outcome set = Call("TagQueue", queue, std::move(input));
  if (ErrorOf(set) == nullptr) Log("a queue of the file was changed", queue, Value(), tags);
  return set;
}

Outcome QueueDeclarer::Call(absl::string_view operation, const DeclaredQueue& queue, Value input) {
  const wire::Operation* entry = service_.Find(operation);
  WEIR_CHECK(entry != nullptr, "an operation of SQS");
  const auto answer = std::make_shared<Answer>();
  wire::Service::Cancel cancel = service_.Start(*entry, queue.owner, std::move(input), [answer](Outcome outcome) {
    answer->outcome = std::move(outcome);
    answer->came.Notify();
  });
  bool stopped = false;
  {
    MutexLock lock(&mu_);
    stopped = stopping_;
    cancel_ = cancel;
  }
  if (stopped) cancel();
  answer->came.WaitForNotification();
  MutexLock lock(&mu_);
  cancel_ = nullptr;
  return std::move(answer->outcome);
}

bool QueueDeclarer::stopping() const {
  MutexLock lock(&mu_);
  return stopping_;
}

bool QueueDeclarer::Pause(absl::Duration duration) {
  MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout([this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_; }, duration);
}

}  // namespace weir::gateway::sqs
