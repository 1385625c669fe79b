#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/time_util.h"
#include "libs/grpcx/page_token.h"
#include "services/queue/api/calls.h"
#include "services/queue/api/message_codec.h"
#include "services/queue/api/validation.h"

namespace weir::queue::api {
namespace {

constexpr int32_t kPageMax = 100;
constexpr int32_t kPageDefault = 10;
// A shard gives at most so many messages an answer, and a page asks so often: a filter that nothing passes still ends soon.
constexpr int32_t kLookedAtOnce = 256;
constexpr int kAnswersAPage = 8;
// A page ends once its messages have grown to this.
constexpr size_t kPageBytes = 4 << 20;

absl::Status CheckStates(const v1::PeekMessagesRequest& request, engine::PeekQuery& query) {
  if (request.states().empty()) return absl::OkStatus();
  query.ready = query.in_flight = query.delayed = false;
  for (const int state : request.states()) {
    switch (state) {
      case v1::MESSAGE_STATE_READY:
        query.ready = true;
        break;
      case v1::MESSAGE_STATE_IN_FLIGHT:
        query.in_flight = true;
        break;
      case v1::MESSAGE_STATE_DELAYED:
        query.delayed = true;
        break;
      default:
        return MakeError(ErrorReason::kInvalidParameterValue,
                         absl::StrCat("Value ", state,
                                      " for states is invalid: must be MESSAGE_STATE_READY, "
                                      "MESSAGE_STATE_IN_FLIGHT or MESSAGE_STATE_DELAYED."),
                         {{"field", "states"}});
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNotNegative(int32_t value, absl::string_view field) {
  if (value >= 0) return absl::OkStatus();
  return MakeError(ErrorReason::kInvalidParameterValue,
                   absl::StrCat("Value ", value, " for ", field, " is invalid: must be 0 or more."),
                   {{"field", std::string(field)}});
}

// The longest beginning of UTF-8 text that has at most `bytes_max` bytes.
absl::string_view CutText(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

v1::MessageState StateOf(engine::PeekedState state) {
  switch (state) {
    case engine::PeekedState::kReady:
      return v1::MESSAGE_STATE_READY;
    case engine::PeekedState::kInFlight:
      return v1::MESSAGE_STATE_IN_FLIGHT;
    case engine::PeekedState::kDelayed:
      return v1::MESSAGE_STATE_DELAYED;
  }
  return v1::MESSAGE_STATE_UNSPECIFIED;
}

bool Passes(const v1::PeekMessagesRequest& request, const engine::PeekedMessage& message) {
  const core::MessageContent& content = *message.content;
  return message.receive_count >= request.min_receive_count() &&
         (request.message_group_id().empty() ||
          request.message_group_id() == content.message_group_id) &&
         (request.message_id().empty() || request.message_id() == content.message_id) &&
         absl::StrContains(content.body, request.body_contains());
}

void EncodePeeked(const engine::PeekedMessage& peeked, const v1::PeekMessagesRequest& request,
                  absl::string_view account, v1::PeekedMessage& out) {
  // What a receiver would get of it.
  v1::ReceivedMessage as_received;
  DecodeMessage({.seq = peeked.seq,
                 .receive_count = peeked.receive_count,
                 .sent_at = peeked.sent_at,
                 .first_received_at = peeked.first_received_at.value_or(absl::UnixEpoch()),
                 .visible_at = peeked.visible_at,
                 .content = peeked.content},
                request.message_attribute_names(), account, as_received);
  out.set_message_id(peeked.content->message_id);
  out.set_state(StateOf(peeked.state));
  out.set_body_bytes(static_cast<int64_t>(peeked.content->body.size()));
  out.set_body(std::move(*as_received.mutable_body()));
  if (request.max_body_bytes() > 0) {
    out.mutable_body()->resize(
        CutText(out.body(), static_cast<size_t>(request.max_body_bytes())).size());
  }
  out.mutable_message_attributes()->swap(*as_received.mutable_message_attributes());
  out.set_receive_count(peeked.receive_count);
  *out.mutable_sent_at() = as_received.sent_at();
  if (peeked.first_received_at.has_value()) {
    *out.mutable_first_received_at() = as_received.first_received_at();
  }
  if (peeked.state != engine::PeekedState::kReady) {
    *out.mutable_visible_at() = as_received.visible_at();
  }
  out.set_dead_letter_queue_source_arn(as_received.dead_letter_queue_source_arn());
  out.set_message_group_id(as_received.message_group_id());
  out.set_message_deduplication_id(as_received.message_deduplication_id());
  out.set_sequence_number(as_received.sequence_number());
}

// Asks the shard, filters, and asks again until the page is full, the queue ends or enough was looked at.
class PeekMessagesCall final : public grpcx::UnaryCall {
 public:
  PeekMessagesCall(Context& context, grpc::CallbackServerContext* grpc_context,
                   const v1::PeekMessagesRequest& request, v1::PeekMessagesResponse& response)
      : UnaryCall(grpc_context, context.metrics.Method("PeekMessages")),
        context_(context),
        request_(request),
        response_(response) {
    Begin(
        context,
        [this] {
          const absl::Status prepared = Prepare();
          if (prepared.ok()) Ask();
          return prepared;
        },
        [this](const absl::Status& status) { Finish(status); });
  }

 private:
  absl::Status Prepare() {
    WEIR_ASSIGN_OR_RETURN(queue_, FindQueue(context_, request_.queue()));
    WEIR_RETURN_IF_ERROR(CheckStates(request_, query_));
    WEIR_RETURN_IF_ERROR(CheckNotNegative(request_.min_receive_count(), "min_receive_count"));
    WEIR_RETURN_IF_ERROR(CheckNotNegative(request_.max_body_bytes(), "max_body_bytes"));
    WEIR_ASSIGN_OR_RETURN(
        page_size_, CheckCount(request_.page_size(), "page_size", 1, kPageMax, kPageDefault));
    token_query_ = absl::StrCat("PeekMessages/", queue_->arn);
    WEIR_ASSIGN_OR_RETURN(const std::string after,
                          grpcx::ParsePageToken(request_.page_token(), token_query_));
    return after.empty() ? absl::OkStatus() : GoOnAfter(after);
  }

  // "<index of the partition>/<seq>"
  absl::Status GoOnAfter(absl::string_view key) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(key, '/');
    int64_t seq = 0;
    if (!absl::SimpleAtoi(parts.first, &partition_) || !absl::SimpleAtoi(parts.second, &seq) ||
        partition_ >= queue_->record.partitions.size()) {
      return MakeError(ErrorReason::kPageTokenInvalid,
                       "The page_token is not one that this queue's PeekMessages has answered.",
                       {{"field", "page_token"}});
    }
    query_.after = core::MessageSeq(seq);
    return absl::OkStatus();
  }

  bool HasFilter() const {
    return request_.min_receive_count() > 0 || !request_.message_group_id().empty() ||
           !request_.message_id().empty() || !request_.body_contains().empty();
  }

  void Ask() {
    const core::PartitionAddress& address = queue_->record.partitions[partition_];
    query_.partition = address.partition;
    query_.limit = HasFilter() ? kLookedAtOnce : page_size_ - response_.messages_size();
    context_.engine.shard(address.shard)
        .Query(query_, deadline(), [this](absl::StatusOr<engine::ShardAnswer> answer) {
          OnAnswer(std::move(answer));
        });
  }

  // On the shard's thread, which has better to do than to look through bodies.
  void OnAnswer(absl::StatusOr<engine::ShardAnswer> answer) {
    if (cancelled_.load()) return Finish(absl::CancelledError("The client cancelled the call."));
    if (!answer.ok()) return Finish(answer.status());
    answer_ = std::get<engine::PeekAnswer>(*std::move(answer));
    if (!context_.blocking.Post([this] { Continue(); })) {
      Finish(MakeError(ErrorReason::kOverloaded,
                       "Too many calls that look at queues are waiting; slow down and try again."));
    }
  }

  void Continue() {
    for (const engine::PeekedMessage& message : answer_.messages) {
      if (!Passes(request_, message)) continue;
      v1::PeekedMessage& out = *response_.add_messages();
      EncodePeeked(message, request_, queue_->record.name.account, out);
      bytes_ += out.ByteSizeLong();
      if (response_.messages_size() == page_size_ || bytes_ >= kPageBytes) {
        const bool end = !answer_.looked_to.has_value() && &message == &answer_.messages.back();
        return Advance(end ? std::nullopt : std::optional(message.seq)) ? FinishPage() : FinishLast();
      }
    }
    if (!Advance(answer_.looked_to)) return FinishLast();
    if (++answers_ == kAnswersAPage) return FinishPage();
    Ask();
  }

  // `after`: where the partition goes on; unset: it ends here. False: so does the queue.
  bool Advance(std::optional<core::MessageSeq> after) {
    if (!after.has_value()) ++partition_;
    query_.after = after.value_or(core::MessageSeq());
    return partition_ < queue_->record.partitions.size();
  }

  void FinishPage() {
    response_.set_next_page_token(grpcx::FormatPageToken(
        absl::StrCat(partition_, "/", query_.after.value()), token_query_));
    Finish(absl::OkStatus());
  }
  void FinishLast() { Finish(absl::OkStatus()); }

  void OnCancel() override { cancelled_.store(true); }

  Context& context_;
  const v1::PeekMessagesRequest& request_;
  v1::PeekMessagesResponse& response_;
  engine::QueueInfoPtr queue_;
  std::string token_query_;
  int32_t page_size_ = 0;
  size_t partition_ = 0;  // of the queue's, which are shown one after the other
  engine::PeekQuery query_;
  engine::PeekAnswer answer_;
  int answers_ = 0;
  size_t bytes_ = 0;
  std::atomic<bool> cancelled_{false};
};

}  // namespace

grpc::ServerUnaryReactor* PeekMessages(Context& context, grpc::CallbackServerContext* grpc_context,
                                       const v1::PeekMessagesRequest& request,
                                       v1::PeekMessagesResponse& response) {
  return new PeekMessagesCall(context, grpc_context, request, response);
}

}  // namespace weir::queue::api
