// Redis streams by hiredis, a blocking connection a cycler. With a batch, so many commands are
// written before the first answer is read.
#include <hiredis/hiredis.h>

#include <atomic>
#include <initializer_list>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "bench/blocking_cycle.h"
#include "bench/peers/address.h"
#include "bench/peers/peers.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

constexpr absl::string_view kGroup = "workers";

// 0 stands for "not sent".
uint64_t IdOf(absl::string_view entry) { return absl::HashOf(entry) | 1; }

class Redis {
 public:
  using Reply = std::unique_ptr<redisReply, void (*)(void*)>;

  static absl::StatusOr<std::unique_ptr<Redis>> Connect(const Address& address) {
    std::unique_ptr<Redis> redis(new Redis(redisConnect(address.host.c_str(), address.port)));
    if (redis->context_ == nullptr) return absl::ResourceExhaustedError("Redis: out of memory.");
    if (redis->context_->err != 0) return redis->Error();
    return redis;
  }

  // Written with the next Read.
  absl::Status Append(const std::vector<absl::string_view>& words) {
    data_.clear();
    lengths_.clear();
    for (const absl::string_view word : words) {
      data_.push_back(word.data());
      lengths_.push_back(word.size());
    }
    const int result = redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()),
                                              data_.data(), lengths_.data());
    return result == REDIS_OK ? absl::OkStatus() : Error();
  }

  absl::StatusOr<Reply> Read() {
    void* raw = nullptr;
    if (redisGetReply(context_.get(), &raw) != REDIS_OK) return Error();
    Reply reply(static_cast<redisReply*>(raw), freeReplyObject);
    if (reply->type == REDIS_REPLY_ERROR) {
      return absl::InternalError(absl::StrCat("Redis answered: ", reply->str));
    }
    return reply;
  }

  absl::StatusOr<Reply> Run(const std::vector<absl::string_view>& words) {
    WEIR_RETURN_IF_ERROR(Append(words));
    return Read();
  }

 private:
  explicit Redis(redisContext* context) : context_(context, redisFree) {}
  absl::Status Error() const {
    return absl::UnavailableError(absl::StrCat("Redis: ", context_->errstr));
  }

  const std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
  std::vector<const char*> data_;
  std::vector<size_t> lengths_;
};

absl::Status Unexpected(absl::string_view command, const redisReply& reply) {
  return absl::InternalError(
      absl::StrCat("Redis answered ", command, " with a reply of type ", reply.type, "."));
}

absl::string_view Text(const redisReply& reply) { return absl::string_view(reply.str, reply.len); }

bool IsArray(const redisReply& reply, size_t elements) {
  return reply.type == REDIS_REPLY_ARRAY && reply.elements == elements;
}

class Client : public BlockingClient {
 public:
  Client(std::unique_ptr<Redis> redis, std::string stream, int number)
      : redis_(std::move(redis)), stream_(std::move(stream)), name_(absl::StrCat("c", number)) {}

  absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) override {
    for (const std::string& body : bodies) {
      WEIR_RETURN_IF_ERROR(redis_->Append({"XADD", stream_, "*", "b", body}));
    }
    for (size_t i = 0; i < bodies.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(const Redis::Reply reply, redis_->Read());
      if (reply->type != REDIS_REPLY_STRING) return Unexpected("XADD", *reply);
      ids.push_back(IdOf(Text(*reply)));
    }
    return absl::OkStatus();
  }

  absl::Status Receive(int max, std::vector<ReceivedMessage>& received) override {
    WEIR_ASSIGN_OR_RETURN(
        received_, redis_->Run({"XREADGROUP", "GROUP", kGroup, name_, "COUNT", absl::StrCat(max),
                                "BLOCK", "1000", "STREAMS", stream_, ">"}));
    entries_.clear();
    if (received_->type == REDIS_REPLY_NIL) return absl::OkStatus();
    // [[stream, [[id, [field, value]], …]]]
    if (!IsArray(*received_, 1) || !IsArray(*received_->element[0], 2)) {
      return Unexpected("XREADGROUP", *received_);
    }
    const redisReply& list = *received_->element[0]->element[1];
    for (size_t i = 0; i < list.elements; ++i) {
      const redisReply& entry = *list.element[i];
      if (!IsArray(entry, 2) || !IsArray(*entry.element[1], 2)) {
        return Unexpected("XREADGROUP", entry);
      }
      entries_.push_back(Text(*entry.element[0]));
      received.push_back(
          {.body = Text(*entry.element[1]->element[1]), .id = IdOf(entries_.back())});
    }
    return absl::OkStatus();
  }

  absl::Status DeleteReceived() override {
    for (const absl::string_view command : {"XACK", "XDEL"}) {
      std::vector<absl::string_view> words = {command, stream_};
      if (command == "XACK") words.push_back(kGroup);
      words.insert(words.end(), entries_.begin(), entries_.end());
      WEIR_RETURN_IF_ERROR(redis_->Append(words));
    }
    for (const absl::string_view command : {"XACK", "XDEL"}) {
      WEIR_ASSIGN_OR_RETURN(const Redis::Reply reply, redis_->Read());
      if (reply->type != REDIS_REPLY_INTEGER ||
          reply->integer != static_cast<long long>(entries_.size())) {
        return Unexpected(command, *reply);
      }
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<Redis> redis_;
  const std::string stream_;
  const std::string name_;
  Redis::Reply received_{nullptr, freeReplyObject};
  std::vector<absl::string_view> entries_;  // ids, in received_
};

}  // namespace

absl::StatusOr<Report> RunRedis(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const Address address, ParseAddress(options.target));
  const std::string stream = absl::StrCat("weir-bench-", RandomToken(4));
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Redis> admin, Redis::Connect(address));
  WEIR_RETURN_IF_ERROR(admin->Run({"XGROUP", "CREATE", stream, kGroup, "$", "MKSTREAM"}).status());
  int clients = 0;
  const auto make_client = [&](int) -> absl::StatusOr<std::unique_ptr<BlockingClient>> {
    WEIR_ASSIGN_OR_RETURN(std::unique_ptr<Redis> redis, Redis::Connect(address));
    return std::make_unique<Client>(std::move(redis), stream, clients++);
  };
  WEIR_ASSIGN_OR_RETURN(const Report report, RunBlockingCycles("redis", options, cpu, make_client));
  WEIR_ASSIGN_OR_RETURN(const Redis::Reply length, admin->Run({"XLEN", stream}));
  WEIR_RETURN_IF_ERROR(admin->Run({"DEL", stream}).status());
  if (length->type != REDIS_REPLY_INTEGER || length->integer != 0) {
    return absl::InternalError(
        absl::StrCat(length->integer, " messages are left in the stream of Redis."));
  }
  return report;
}

}  // namespace weir::bench
