// weir produce, consume
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "libs/base/status_macros.h"

namespace weir::cli {
namespace {

// A request; the service takes 1,000 messages and 4 MiB.
constexpr int kRequestMessages = 500;
constexpr size_t kRequestBytes = 1 << 20;
// Messages that wait for their turn here, at most.
constexpr int kCreditMax = 100;

struct ProduceOptions {
  std::string queue;
};

struct ConsumeOptions {
  std::string queue;
  int64_t max = 0;
  bool remove = false;
  CLI::Option* max_option = nullptr;
};

using ProduceStream = grpc::ClientReaderWriter<queue::v1::ProduceRequest, queue::v1::ProduceResponse>;

// Each line of stdin a message. The end of the stream tells what is wrong when a write fails.
void WriteLines(const Session& session, const ProduceOptions& options, ProduceStream& stream) {
  queue::v1::ProduceRequest request;
  *request.mutable_start()->mutable_queue() = session.Queue(options.queue);
  request.mutable_start()->set_omit_md5(true);
  size_t bytes = 0;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    bytes += line.size();
    request.add_messages()->set_body(std::move(line));
    // Whoever types wants each line sent.
    const bool more = std::cin.rdbuf()->in_avail() > 0;
    if (more && request.messages_size() < kRequestMessages && bytes < kRequestBytes) continue;
    if (!stream.Write(request)) return;
    request.Clear();
    bytes = 0;
  }
  if (request.has_start() || request.messages_size() > 0) stream.Write(request);
  stream.WritesDone();
}

absl::StatusOr<ExitCode> Produce(Session& session, const ProduceOptions& options) {
  std::ios::sync_with_stdio(false);
  grpc::ClientContext context;
  const auto stream = session.queue_stub().Produce(&context);
  std::thread writer([&] { WriteLines(session, options, *stream); });
  int64_t sent = 0;
  std::string first_failure;
  int64_t failures = 0;
  queue::v1::ProduceResponse response;
  while (stream->Read(&response)) {
    for (const queue::v1::ProduceResult& result : response.results()) {
      if (result.has_sent()) {
        ++sent;
      } else if (failures++ == 0) {
        first_failure = absl::StrCat(common::v1::ErrorReason_Name(result.failure().reason()), ": ",
                                     result.failure().message());
      }
    }
  }
  const grpc::Status status = stream->Finish();
  // A writer that waits for input ends with it.
  writer.join();
  session.PrintResult({{"sent", sent}, {"failed", failures}},
                      absl::StrCat("Sent ", sent, sent == 1 ? " message\n" : " messages\n"));
  if (!status.ok()) return session.Explain(status, session.queue_endpoint);
  if (failures == 0) return ExitCode::kOk;
  return absl::FailedPreconditionError(
      absl::StrCat(first_failure, " (", failures, " of ", sent + failures, " messages were not sent)"));
}

absl::StatusOr<ExitCode> Consume(Session& session, const ConsumeOptions& options) {
  const bool bounded = options.max_option->count() > 0;
  if (bounded && options.max < 1) return UsageError("--max must be at least 1");
  grpc::ClientContext context;
  const auto stream = session.queue_stub().Consume(&context);
  queue::v1::ConsumeRequest request;
  *request.mutable_start()->mutable_queue() = session.Queue(options.queue);
  request.mutable_start()->add_message_attribute_names("All");
  int64_t to_ask = bounded ? options.max : std::numeric_limits<int64_t>::max();
  const auto ask = [&](int64_t messages) {
    messages = std::min(messages, to_ask);
    to_ask -= messages;
    request.set_add_credit(static_cast<int32_t>(messages));
  };
  ask(kCreditMax);
  stream->Write(request);
  int64_t received = 0;
  int64_t deleted = 0;
  queue::v1::ConsumeResponse response;
  while ((!bounded || received < options.max || (options.remove && deleted < options.max)) &&
         stream->Read(&response)) {
    request.Clear();
    for (const queue::v1::Delivery& delivery : response.deliveries()) {
      // Printed before it is deleted: what could not be shown comes again.
      Print(session.json ? FormatJsonLine(ToJson(delivery.message()))
                         : absl::StrCat(Printable(delivery.message().body()), "\n"));
      if (options.remove) request.add_delete_(delivery.delivery_id());
    }
    received += response.deliveries_size();
    deleted += response.deleted_size() + response.failures_size();
    ask(response.deliveries_size());
    if ((request.add_credit() > 0 || request.delete__size() > 0) && !stream->Write(request)) break;
  }
  // What was not deleted is visible again at once.
  stream->WritesDone();
  while (stream->Read(&response)) {
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok()) return session.Explain(status, session.queue_endpoint);
  return ExitCode::kOk;
}

void AddProduce(CLI::App& app, Session& session) {
  CLI::App* produce = app.add_subcommand("produce", "Send each line of stdin as a message, over one stream");
  auto options = std::make_shared<ProduceOptions>();
  produce->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  SetExamples(*produce, {"seq 100000 | weir produce orders", "tail -f events.log | weir produce events"});
  produce->callback([&session, options] {
    session.action = [&session, options] { return Produce(session, *options); };
  });
}

void AddConsume(CLI::App& app, Session& session) {
  CLI::App* consume = app.add_subcommand(
      "consume", "Print messages as they come, over one stream; those that are not deleted come again");
  auto options = std::make_shared<ConsumeOptions>();
  consume->add_option("queue", options->queue, "Name of the queue")->required()->type_name(kQueueType);
  options->max_option =
      consume->add_option("--max", options->max, "End after so many messages (default: never)")->type_name("N");
  consume->add_flag("--delete", options->remove, "Delete each once it is printed");
  SetExamples(*consume, {"weir consume orders --delete", "weir consume orders --max 1000 --delete -o json"});
  consume->callback([&session, options] {
    session.action = [&session, options] { return Consume(session, *options); };
  });
}

}  // namespace

void AddStreamCommands(CLI::App& app, Session& session) {
  AddProduce(app, session);
  AddConsume(app, session);
}

}  // namespace weir::cli
