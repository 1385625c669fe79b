#include "tests/fault/load.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grpcx/channel.h"
#include "libs/grpcx/status.h"

namespace weir {
namespace {

namespace q = queue::v1;
using Outcome = Ledger::Outcome;

// A pause between two tries while the service is away.
constexpr absl::Duration kBackOff = absl::Milliseconds(10);
constexpr int kBatch = 10;
// Of FIFO queues: how many groups have messages, and until when and how many sends back a sender repeats one.
constexpr int kGroups = 6;
constexpr absl::Duration kRepeatWithin = absl::Minutes(2);
constexpr size_t kRepeatable = 100;

Outcome OutcomeOfReason(ErrorReason reason) {
  if (reason == ErrorReason::kUnspecified) return Outcome::kUnknown;
  return ErrorInfoOf(reason).advice == RetryAdvice::kRetryMayRepeat ? Outcome::kUnknown
                                                                    : Outcome::kFailed;
}

// Mostly small, now and then large, always telling apart.
std::string RandomBody(const std::string& key, std::mt19937_64& gen) {
  const size_t bytes = absl::Bernoulli(gen, 0.01) ? absl::Uniform<size_t>(gen, 10'000, 100'000)
                                                  : absl::Uniform<size_t>(gen, 0, 400);
  std::string body = absl::StrCat(key, "|");
  body.reserve(body.size() + bytes);
  for (size_t i = 0; i < bytes; ++i) body.push_back(absl::Uniform(gen, 'a', 'z'));
  return body;
}

}  // namespace

Outcome OutcomeOf(const grpc::Status& status) {
  if (status.ok()) return Outcome::kOk;
  return OutcomeOfReason(ReasonOf(grpcx::FromGrpcStatus(status)));
}

std::string ErrorName(const grpc::Status& status) {
  const absl::Status typed = grpcx::FromGrpcStatus(status);
  const ErrorReason reason = ReasonOf(typed);
  return absl::StrCat(absl::StatusCodeToString(typed.code()),
                      reason == ErrorReason::kUnspecified ? "" : " ", reason == ErrorReason::kUnspecified
                          ? absl::string_view()
                          : ErrorInfoOf(reason).name);
}

uint64_t TestSeed() {
  uint64_t seed = 0;
  const char* given = std::getenv("WEIR_SEED");
  if (given == nullptr || !absl::SimpleAtoi(given, &seed)) seed = std::random_device()();
  std::printf("WEIR_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

int EnvironmentOr(const char* name, int otherwise) {
  int value = 0;
  const char* given = std::getenv(name);
  return given != nullptr && absl::SimpleAtoi(given, &value) ? value : otherwise;
}

// ---- Endpoint -------------------------------------------------------------------------------------------------------------

void Endpoint::Set(const std::string& address) {
  auto channel = grpcx::MakeChannel(address, {.own_connection = true});
  MutexLock lock(&mu_);
  channel_ = std::move(channel);
}

std::shared_ptr<grpc::Channel> Endpoint::channel() const {
  MutexLock lock(&mu_);
  return channel_;
}

// ---- One client -----------------------------------------------------------------------------------------------------------

// The calls, each of which tells the ledger. One thread.
class Load::Client {
 public:
  // A message in hand.
  struct Held {
    std::string queue;
    std::string receipt_handle;
    Ledger::DeliveryId delivery;
  };

  Client(Load& load, const Endpoint& endpoint) : load_(load), endpoint_(endpoint) {}

  struct Outgoing {
    std::string body;
    std::string group;
    std::string deduplication_id;
    Outcome outcome = Outcome::kUnknown;  // of the last send with its deduplication id
  };

  // Each answers whether the service answered.
  bool Send(const std::string& queue, Outgoing& message);
  bool SendBatch(const std::string& queue, std::vector<Outgoing>& messages);
  bool Receive(const LoadQueue& queue, int max_messages, absl::Duration wait,
               absl::Duration visibility_timeout, std::vector<Held>* received);
  void Delete(const Held& held);
  // All of one queue.
  void DeleteBatch(const std::vector<Held>& held);
  void ChangeVisibility(const Held& held, int seconds);
  bool Stats(const std::string& queue, q::QueueStats* stats);
  absl::Status Create(const LoadQueue& queue);

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (q::QueueService::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <typename Request, typename Response>
  grpc::Status Call(Method<Request, Response> method, const Request& request, Response* response,
                    absl::Duration wait = absl::ZeroDuration());
  static void Fill(const Outgoing& message, q::OutgoingMessage* out);
  void Record(const std::string& queue, int64_t batch, const q::SentMessage* sent,
              const Outgoing& message);

  Load& load_;
  const Endpoint& endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<q::QueueService::Stub> stub_;
  Ledger::Interval at_;  // of the last call
};

template <typename Request, typename Response>
grpc::Status Load::Client::Call(Method<Request, Response> method, const Request& request,
                                Response* response, absl::Duration wait) {
  if (const auto channel = endpoint_.channel(); channel != channel_) {
    channel_ = channel;
    stub_ = q::QueueService::NewStub(channel_);
  }
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + wait + load_.options_.call_timeout));
  at_.start = load_.Now();
  const grpc::Status status = ((*stub_).*method)(&context, request, response);
  at_.end = load_.Now();
  if (!status.ok()) load_.NoteError(status, at_.end - at_.start - wait);
  return status;
}

void Load::Client::Fill(const Outgoing& message, q::OutgoingMessage* out) {
  out->set_body(message.body);
  out->set_message_group_id(message.group);
  out->set_message_deduplication_id(message.deduplication_id);
}

// `sent`: null when there was no answer.
void Load::Client::Record(const std::string& queue, int64_t batch, const q::SentMessage* sent,
                          const Outgoing& message) {
  Ledger::Submission submission{.queue = queue,
                                .body = message.body,
                                .at = at_,
                                .outcome = message.outcome,
                                .group = message.group,
                                .deduplication_id = message.deduplication_id,
                                .batch = batch};
  if (sent != nullptr) {
    submission.message_id = sent->message_id();
    submission.sequence_number = sent->sequence_number();
  }
  load_.ledger_.Sent(submission);
}

bool Load::Client::Send(const std::string& queue, Outgoing& message) {
  q::SendMessageRequest request;
  request.mutable_queue()->set_name(queue);
  Fill(message, request.mutable_message());
  q::SendMessageResponse response;
  const grpc::Status status = Call(&q::QueueService::Stub::SendMessage, request, &response);
  const bool repeated = message.outcome == Outcome::kOk;
  message.outcome = OutcomeOf(status);
  Record(queue, 0, status.ok() ? &response.message() : nullptr, message);
  if (status.ok() && !repeated) load_.NoteSent(1);
  return status.ok();
}

bool Load::Client::SendBatch(const std::string& queue, std::vector<Outgoing>& messages) {
  q::SendMessageBatchRequest request;
  request.mutable_queue()->set_name(queue);
  for (const Outgoing& message : messages) {
    auto& entry = *request.add_entries();
    entry.set_id(absl::StrCat(request.entries_size() - 1));
    Fill(message, entry.mutable_message());
  }
  q::SendMessageBatchResponse response;
  const grpc::Status status = Call(&q::QueueService::Stub::SendMessageBatch, request, &response);
  std::vector<const q::SentMessage*> sent(messages.size(), nullptr);
  const int64_t repeated = absl::c_count_if(
      messages, [](const Outgoing& message) { return message.outcome == Outcome::kOk; });
  for (Outgoing& message : messages) message.outcome = OutcomeOf(status);
  for (const auto& success : response.successful()) sent.at(std::stoul(success.id())) = &success.message();
  for (const auto& failed : response.failed()) {
    messages.at(std::stoul(failed.id())).outcome =
        OutcomeOfReason(static_cast<ErrorReason>(failed.reason()));
  }
  const int64_t batch = load_.NextBatch();
  for (size_t i = 0; i < messages.size(); ++i) Record(queue, batch, sent[i], messages[i]);
  load_.NoteSent(std::max<int64_t>(response.successful_size() - repeated, 0));
  return status.ok();
}

bool Load::Client::Receive(const LoadQueue& queue, int max_messages, absl::Duration wait,
                           absl::Duration visibility_timeout, std::vector<Held>* received) {
  q::ReceiveMessagesRequest request;
  request.mutable_queue()->set_name(queue.name);
  request.set_max_messages(max_messages);
  request.mutable_wait_time()->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(wait)));
  request.mutable_visibility_timeout()->set_seconds(absl::ToInt64Seconds(visibility_timeout));
  q::ReceiveMessagesResponse response;
  const grpc::Status status =
      Call(&q::QueueService::Stub::ReceiveMessages, request, &response, wait);
  if (OutcomeOf(status) == Outcome::kUnknown) load_.ledger_.ReceiveUnanswered(queue.name, at_);
  const int64_t batch = load_.NextBatch();
  for (const auto& message : response.messages()) {
    received->push_back({queue.name, message.receipt_handle(),
                         load_.ledger_.Delivered({.queue = queue.name,
                                                  .body = message.body(),
                                                  .message_id = message.message_id(),
                                                  .receive_count = message.receive_count(),
                                                  .visibility_timeout = visibility_timeout,
                                                  .at = at_,
                                                  .group = message.message_group_id(),
                                                  .sequence_number = message.sequence_number(),
                                                  .batch = batch})});
  }
  return status.ok();
}

void Load::Client::Delete(const Held& held) {
  q::DeleteMessageRequest request;
  request.mutable_queue()->set_name(held.queue);
  request.set_receipt_handle(held.receipt_handle);
  q::DeleteMessageResponse response;
  const grpc::Status status = Call(&q::QueueService::Stub::DeleteMessage, request, &response);
  load_.ledger_.Deleted(held.delivery, at_, OutcomeOf(status));
  if (status.ok()) load_.NoteDeleted(1);
}

void Load::Client::DeleteBatch(const std::vector<Held>& held) {
  if (held.empty()) return;
  q::DeleteMessageBatchRequest request;
  request.mutable_queue()->set_name(held.front().queue);
  for (const Held& message : held) {
    auto& entry = *request.add_entries();
    entry.set_id(absl::StrCat(request.entries_size() - 1));
    entry.set_receipt_handle(message.receipt_handle);
  }
  q::DeleteMessageBatchResponse response;
  const grpc::Status status = Call(&q::QueueService::Stub::DeleteMessageBatch, request, &response);
  if (!status.ok()) {
    for (const Held& message : held) load_.ledger_.Deleted(message.delivery, at_, OutcomeOf(status));
    return;
  }
  for (const auto& deleted : response.successful()) {
    load_.ledger_.Deleted(held.at(std::stoul(deleted.id())).delivery, at_, Outcome::kOk);
  }
  for (const auto& failed : response.failed()) {
    load_.ledger_.Deleted(held.at(std::stoul(failed.id())).delivery, at_,
                          OutcomeOfReason(static_cast<ErrorReason>(failed.reason())));
  }
  load_.NoteDeleted(response.successful_size());
}

void Load::Client::ChangeVisibility(const Held& held, int seconds) {
  q::ChangeMessageVisibilityRequest request;
  request.mutable_queue()->set_name(held.queue);
  request.set_receipt_handle(held.receipt_handle);
  request.mutable_visibility_timeout()->set_seconds(seconds);
  q::ChangeMessageVisibilityResponse response;
  const grpc::Status status =
      Call(&q::QueueService::Stub::ChangeMessageVisibility, request, &response);
  load_.ledger_.VisibilityChanged(held.delivery, absl::Seconds(seconds), at_, OutcomeOf(status));
}

bool Load::Client::Stats(const std::string& queue, q::QueueStats* stats) {
  q::GetQueueRequest request;
  request.mutable_queue()->set_name(queue);
  q::GetQueueResponse response;
  const grpc::Status status = Call(&q::QueueService::Stub::GetQueue, request, &response);
  *stats = response.queue().stats();
  return status.ok();
}

absl::Status Load::Client::Create(const LoadQueue& queue) {
  q::CreateQueueRequest request;
  request.mutable_queue()->set_name(queue.name);
  auto& attributes = *request.mutable_attributes();
  attributes.mutable_visibility_timeout()->set_seconds(absl::ToInt64Seconds(queue.visibility_timeout));
  if (queue.fifo) attributes.set_fifo_queue(true);
  attributes.set_partitions(queue.partitions);
  if (queue.max_receive_count > 0) {
    auto& policy = *attributes.mutable_redrive_policy();
    policy.set_dead_letter_queue_arn(
        absl::StrCat("arn:aws:sqs:us-east-1:000000000000:", queue.dead_letter_queue));
    policy.set_max_receive_count(queue.max_receive_count);
  }
  q::CreateQueueResponse response;
  return grpcx::FromGrpcStatus(Call(&q::QueueService::Stub::CreateQueue, request, &response));
}

// ---- The load -------------------------------------------------------------------------------------------------------------

Load::Load(Options options, const Endpoint& endpoint, Ledger& ledger)
    : options_(std::move(options)),
      endpoint_(endpoint),
      ledger_(ledger),
      started_(SystemClock().Monotonic()) {
  for (const LoadQueue& queue : options_.queues) {
    ledger_.AddQueue({.name = queue.name,
                      .dead_letter_queue = queue.dead_letter_queue,
                      .max_receive_count = queue.max_receive_count,
                      .fifo = queue.fifo});
  }
}

absl::Duration Load::Now() const { return SystemClock().Monotonic() - started_; }

absl::Status Load::CreateQueues(absl::Time deadline) {
  Client client(*this, endpoint_);
  for (const LoadQueue& queue : options_.queues) {
    absl::Status status = client.Create(queue);
    while (status.code() == absl::StatusCode::kUnavailable && absl::Now() < deadline) {
      Pause(kBackOff);
      status = client.Create(queue);
    }
    WEIR_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

void Load::Start() { StartClients(endpoint_, options_.senders, options_.receivers); }

void Load::StartMore(const Endpoint& endpoint, int senders, int receivers) {
  StartClients(endpoint, senders, receivers);
}

void Load::StartClients(const Endpoint& endpoint, int senders, int receivers) {
  for (int i = 0; i < senders; ++i) {
    threads_.emplace_back([this, &endpoint, number = clients_++] { RunSender(endpoint, number); });
  }
  for (int i = 0; i < receivers; ++i) {
    threads_.emplace_back([this, &endpoint, number = clients_++] { RunReceiver(endpoint, number); });
  }
}

void Load::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Load::Pause(absl::Duration duration) {
  MutexLock lock(&mu_);
  return !mu_.AwaitWithTimeout([this] { return stopping_; }, duration);
}

bool Load::AwaitProgress(int64_t sends, absl::Duration limit) {
  MutexLock lock(&mu_);
  const int64_t wanted = sends_answered_ + sends;
  return mu_.AwaitWithTimeout([&] { return sends_answered_ >= wanted; }, limit);
}

void Load::NoteSent(int64_t acknowledged) {
  backlog_.fetch_add(acknowledged);
  MutexLock lock(&mu_);
  sends_answered_ += acknowledged;
}

void Load::NoteError(const grpc::Status& status, absl::Duration took) {
  MutexLock lock(&mu_);
  ++errors_[ErrorName(status)];
  slowest_error_ = std::max(slowest_error_, took);
}

std::map<std::string, int64_t> Load::errors() const {
  MutexLock lock(&mu_);
  return errors_;
}

absl::Duration Load::slowest_error() const {
  MutexLock lock(&mu_);
  return slowest_error_;
}

// What one sender sends. Within a FIFO queue it also repeats: what was not answered mostly, what was answered now and then.
class Load::Sender {
 public:
  Sender(Load& load, const Endpoint& endpoint, uint64_t number)
      : load_(load), client_(load, endpoint), gen_(load.options_.seed * 1'000 + number) {}

  // Whether the service answered.
  bool SendSome(const LoadQueue& queue);
  const LoadQueue& AnyQueue() {
    return load_.options_.queues[absl::Uniform<size_t>(gen_, 0, load_.options_.queues.size())];
  }

 private:
  struct Sent {
    Client::Outgoing message;
    absl::Duration first_at;
  };
  Client::Outgoing Next(const LoadQueue& queue);
  void Remember(const LoadQueue& queue, const std::vector<Client::Outgoing>& messages,
                absl::Duration first_at);

  Load& load_;
  Client client_;
  std::mt19937_64 gen_;
  // By queue, those that may be sent once more.
  std::map<std::string, std::deque<Sent>> sent_;
};

Load::Client::Outgoing Load::Sender::Next(const LoadQueue& queue) {
  const std::string key = absl::StrCat(load_.options_.key_prefix, load_.next_key_.fetch_add(1));
  Client::Outgoing message{.body = RandomBody(key, gen_)};
  if (!queue.fifo) return message;
  message.group = absl::StrCat("g", absl::Uniform(gen_, 0, kGroups));
  message.deduplication_id = key;
  std::deque<Sent>& sent = sent_[queue.name];
  while (!sent.empty() && load_.Now() - sent.front().first_at > kRepeatWithin) sent.pop_front();
  if (sent.empty()) return message;
  const Sent& before = sent[absl::Uniform<size_t>(gen_, 0, sent.size())];
  if (absl::Bernoulli(gen_, before.message.outcome == Outcome::kOk ? 0.03 : 0.5)) {
    return before.message;
  }
  if (absl::Bernoulli(gen_, 0.01)) {
    // Another body under the same id: swallowed, unless the first has never arrived.
    message.group = before.message.group;
    message.deduplication_id = before.message.deduplication_id;
    message.outcome = before.message.outcome;
  }
  return message;
}

void Load::Sender::Remember(const LoadQueue& queue, const std::vector<Client::Outgoing>& messages,
                            absl::Duration first_at) {
  if (!queue.fifo) return;
  std::deque<Sent>& sent = sent_[queue.name];
  for (const Client::Outgoing& message : messages) {
    const auto before = std::find_if(sent.begin(), sent.end(), [&](const Sent& other) {
      return other.message.body == message.body;
    });
    if (before != sent.end()) {
      before->message.outcome = message.outcome;
    } else if (Ledger::KeyOf(message.body) == message.deduplication_id) {
      sent.push_back({message, first_at});
      if (sent.size() > kRepeatable) sent.pop_front();
    }
  }
}

bool Load::Sender::SendSome(const LoadQueue& queue) {
  const int count =
      absl::Bernoulli(gen_, 0.5) ? 1 : absl::Uniform(absl::IntervalClosed, gen_, 1, kBatch);
  std::vector<Client::Outgoing> messages;
  for (int i = 0; i < count; ++i) messages.push_back(Next(queue));
  const absl::Duration start = load_.Now();
  const bool answered = count == 1 ? client_.Send(queue.name, messages[0])
                                   : client_.SendBatch(queue.name, messages);
  Remember(queue, messages, start);
  return answered;
}

void Load::RunSender(const Endpoint& endpoint, uint64_t number) {
  Sender sender(*this, endpoint, number);
  while (Pause(absl::ZeroDuration())) {
    if (backlog_.load() >= options_.backlog_max || !sender.SendSome(sender.AnyQueue())) Pause(kBackOff);
  }
}

void Load::RunReceiver(const Endpoint& endpoint, uint64_t number) {
  Client client(*this, endpoint);
  std::mt19937_64 gen(options_.seed * 1'000 + number);
  std::deque<Client::Held> kept;  // deleted late, perhaps when somebody else has received them
  while (Pause(absl::ZeroDuration())) {
    const LoadQueue& queue =
        options_.queues[absl::Uniform<size_t>(gen, 0, options_.queues.size())];
    std::vector<Client::Held> received;
    const absl::Duration wait = absl::Milliseconds(absl::Uniform(gen, 0, 300));
    if (!client.Receive(queue, absl::Uniform(absl::IntervalClosed, gen, 1, kBatch), wait,
                        queue.visibility_timeout, &received)) {
      Pause(kBackOff);
    }
    const bool in_batches = absl::Bernoulli(gen, 0.5);
    std::vector<Client::Held> done;
    for (const Client::Held& held : received) {
      const int choice = absl::Uniform(gen, 0, 100);
      if (choice < 70 && in_batches) {
        done.push_back(held);
      } else if (choice < 70) {
        client.Delete(held);
      } else if (choice < 80) {
        kept.push_back(held);
      } else if (choice < 92) {
        client.ChangeVisibility(held, absl::Uniform(gen, 0, 4));
      }  // else it comes again by itself
    }
    client.DeleteBatch(done);
    while (!kept.empty() && (kept.size() > 50 || absl::Bernoulli(gen, 0.3))) {
      client.Delete(kept.front());
      kept.pop_front();
    }
  }
}

absl::Status Load::Drain(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  ledger_.DrainStarted(Now());
  // What it reads while something moves from one queue to another may be empty twice by chance, not three times.
  constexpr int kLooks = 3;
  std::string counts;
  int empty = 0;
  while (empty < kLooks) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("The queues do not become empty: ", counts));
    }
    std::vector<std::thread> threads;
    for (const LoadQueue& queue : options_.queues) {
      threads.emplace_back([this, &queue, deadline] { DrainQueue(queue, deadline); });
    }
    for (std::thread& thread : threads) thread.join();
    empty = AllEmpty(&counts) ? empty + 1 : 0;
  }
  return absl::OkStatus();
}

void Load::DrainQueue(const LoadQueue& queue, absl::Time deadline) {
  Client client(*this, endpoint_);
  std::vector<Client::Held> received;
  do {
    received.clear();
    client.Receive(queue, kBatch, absl::Milliseconds(200), absl::Seconds(10), &received);
    client.DeleteBatch(received);
  } while (!received.empty() && absl::Now() < deadline);
}

bool Load::AllEmpty(std::string* counts) {
  Client client(*this, endpoint_);
  counts->clear();
  bool empty = true;
  // Dead-letter queues stand first and are looked at last: a message that moves is in the destination before it leaves the source.
  for (auto queue = options_.queues.rbegin(); queue != options_.queues.rend(); ++queue) {
    q::QueueStats stats;
    const bool answered = client.Stats(queue->name, &stats);
    absl::StrAppend(counts, queue->name, " ", stats.ready(), "/", stats.in_flight(), "/",
                    stats.delayed(), answered ? "; " : " (no answer); ");
    empty = empty && answered && stats.ready() + stats.in_flight() + stats.delayed() == 0;
  }
  return empty;
}

}  // namespace weir
