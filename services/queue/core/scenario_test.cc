// Runs the scenarios in testdata/*.txt: what a shard promises, in files that read without C++.
//
// A scenario is a list of steps, separated by empty lines. A step is one command with named fields, a line of dashes, and what
// must come of it:
//
//   receive queue=orders visibility=30s at=1s
//   ----
//   a receipt=a#1 receives=1 sent=0s until=31s
//
// `at` is the time since the scenario began, and only rises. The scenario plays the store, too: reads of the backlog are
// answered and moves are carried out before the step ends. A message is called by its body, a receipt by message and receive
// count, a parked receive by the name in its step. A line that begins with # is a comment.
//
//   queue name= [visibility= delay= retention= dlq= max_receives=]   makes a queue or changes its attributes
//               [fifo=yes scope=queue|group]                         scope: of its deduplication
//   send queue= body=a,b [group=g,h delay= id=x,y]                   id: for deduplication; FIFO without it: the body
//   receive queue= [max= visibility= wait= name= consumer= attempt=]
//   cancel queue= name=                    delete queue= receipt=
//   change queue= receipt= timeout=        release queue= receipt=
//   purge queue=                           drop queue= [keep=yes]: a later step may still name the queue, as one that found it before
//   redrive queue= to= [max=]              moves outcome=done|refused|away    how moves end from now on
//   stats queue=                           tick                           only time passes
//   groups queue= [after= max=]
//   restart                                the state is thrown away and read from the rows
//   segment new=                           rows go to a new segment; copy-forward, drop-segment: of the oldest one
//   limits [window= refill_below= in_flight= waiters= moving= searched= noisy= read=]   first of all
//                                          searched: explicit ready messages at most; read: messages that one read brings
//
// After a wanted change of behaviour: WEIR_REWRITE=1 queue_scenario_test writes what comes of each step into the files. Read the
// diff, and understand each changed line.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/queue/core/shard_state.h"
#include "services/queue/core/testing/sim_store.h"

namespace weir::queue::core::testing {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000'000);

struct Step {
  int line = 0;  // of the command
  std::vector<std::string> comments;
  std::string command;
  std::vector<std::string> expected;
};

// The fields of one command. Every field must be asked for, so a misspelt one is found.
class Fields {
 public:
  explicit Fields(absl::string_view command) {
    std::vector<std::string> words = absl::StrSplit(command, ' ', absl::SkipEmpty());
    verb_ = words.front();
    for (size_t i = 1; i < words.size(); ++i) {
      const std::pair<std::string, std::string> field =
          absl::StrSplit(words[i], absl::MaxSplits('=', 1));
      fields_[field.first] = field.second;
    }
  }

  const std::string& verb() const { return verb_; }

  std::string Take(const std::string& name) {
    const auto it = fields_.find(name);
    if (it == fields_.end()) return Wrong(absl::StrCat("field ", name, " is missing")), "";
    return TakeOr(name, "");
  }
  std::string TakeOr(const std::string& name, const std::string& otherwise) {
    const auto it = fields_.find(name);
    if (it == fields_.end()) return otherwise;
    const std::string value = it->second;
    fields_.erase(it);
    return value;
  }
  std::optional<absl::Duration> TakeDuration(const std::string& name) {
    const std::string text = TakeOr(name, "");
    if (text.empty()) return std::nullopt;
    absl::Duration value;
    if (!absl::ParseDuration(text, &value)) {
      Wrong(absl::StrCat(name, "=", text, " is not a duration such as 30s"));
    }
    return value;
  }
  int TakeInt(const std::string& name, int otherwise) {
    const std::string text = TakeOr(name, "");
    int value = otherwise;
    if (!text.empty() && !absl::SimpleAtoi(text, &value)) {
      Wrong(absl::StrCat(name, "=", text, " is not a number"));
    }
    return value;
  }

  void Wrong(const std::string& sentence) { wrong_ = sentence; }
  // Empty: all is well.
  std::string WhatIsWrong() const {
    if (!wrong_.empty()) return wrong_;
    return fields_.empty() ? "" : absl::StrCat("unknown field ", fields_.begin()->first);
  }

 private:
  std::string verb_;
  std::map<std::string, std::string> fields_;
  std::string wrong_;
};

class Scenario {
 public:
  // What comes of the step, a line each.
  std::vector<std::string> Run(const std::string& command) {
    out_.clear();
    Fields fields(command);
    if (const auto at = fields.TakeDuration("at")) {
      if (kStart + *at < now_) fields.Wrong("time cannot go back");
      now_ = std::max(now_, kStart + *at);
    }
    RunVerb(fields);
    CarryOutEffects();
    if (const std::string wrong = fields.WhatIsWrong(); !wrong.empty()) {
      out_.push_back(absl::StrCat("WRONG STEP: ", wrong));
    }
    if (out_.empty()) out_.push_back("ok");
    return out_;
  }

 private:
  using Verb = void (Scenario::*)(Fields&);

  void RunVerb(Fields& fields) {
    static const std::map<std::string, Verb> kVerbs = {
        {"limits", &Scenario::SetLimits},      {"queue", &Scenario::MakeQueue},
        {"send", &Scenario::DoSend},           {"receive", &Scenario::DoReceive},
        {"cancel", &Scenario::DoCancel},       {"delete", &Scenario::DoDelete},
        {"change", &Scenario::DoChange},       {"release", &Scenario::DoRelease},
        {"purge", &Scenario::DoPurge},         {"drop", &Scenario::DoDrop},
        {"redrive", &Scenario::DoRedrive},     {"moves", &Scenario::SetMoves},
        {"stats", &Scenario::ShowStats},       {"tick", &Scenario::DoTick},
        {"restart", &Scenario::DoRestart},     {"segment", &Scenario::DoSegment},
        {"copy-forward", &Scenario::DoCopyForward},
        {"drop-segment", &Scenario::DoDropSegment},
        {"groups", &Scenario::ShowGroups},
    };
    const auto it = kVerbs.find(fields.verb());
    if (it == kVerbs.end()) return fields.Wrong(absl::StrCat("unknown command ", fields.verb()));
    (this->*it->second)(fields);
  }

  // ---- Queues ----
  void SetLimits(Fields& fields) {
    limits_.ready_window = static_cast<size_t>(fields.TakeInt("window", kReadyWindow));
    limits_.refill_below = static_cast<size_t>(fields.TakeInt("refill_below", kRefillBelow));
    limits_.max_in_flight = fields.TakeInt("in_flight", kMaxInFlight);
    limits_.max_waiters = static_cast<size_t>(fields.TakeInt("waiters", kMaxWaiters));
    limits_.max_moving = fields.TakeInt("moving", kMaxMoving);
    limits_.max_searched = static_cast<size_t>(fields.TakeInt("searched", kMaxSearched));
    limits_.noisy_in_flight = fields.TakeInt("noisy", kNoisyInFlight);
    read_messages_ = static_cast<size_t>(fields.TakeInt("read", 1'000));
    state_ = ShardState(LogNo(1), SegmentNo(1), limits_);
  }

  void MakeQueue(Fields& fields) {
    const std::string name = fields.Take("name");
    if (!queues_.contains(name)) queues_[name] = PartitionId(++partitions_);
    QueueConfig config{.queue = QueueId(queues_[name].value()), .version = ++versions_};
    config.visibility_timeout = fields.TakeDuration("visibility").value_or(absl::Seconds(30));
    config.delay = fields.TakeDuration("delay").value_or(absl::ZeroDuration());
    config.retention = fields.TakeDuration("retention").value_or(absl::Hours(96));
    config.fifo = fields.TakeOr("fifo", "no") == "yes";
    if (fields.TakeOr("scope", "queue") == "group") {
      config.deduplication_scope = DeduplicationScope::kMessageGroup;
    }
    const std::string dlq = fields.TakeOr("dlq", "");
    const int max_receives = fields.TakeInt("max_receives", 0);
    // As the registry does it: a dead-letter queue that does not exist is none.
    if (queues_.contains(dlq)) {
      config.redrive = QueueConfig::Redrive{.max_receive_count = max_receives,
                                            .dead_letter = {.partition = queues_[dlq]}};
    }
    configs_[queues_[name]] = std::make_shared<const QueueConfig>(config);
    Decide(Configure{queues_[name], configs_[queues_[name]]});
  }

  PartitionId TakeQueue(Fields& fields, const std::string& field = "queue") {
    const std::string name = fields.Take(field);
    const auto it = queues_.find(name);
    if (it != queues_.end()) return it->second;
    fields.Wrong(absl::StrCat("there is no queue ", name));
    return PartitionId();
  }

  std::string NameOf(PartitionId id) const {
    for (const auto& [name, partition] : queues_) {
      if (partition == id) return name;
    }
    return "?";
  }

  // ---- Messages ----
  void DoSend(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    Send send{.partition = queue, .config = configs_[queue]};
    const auto delay = fields.TakeDuration("delay");
    const std::vector<std::string> bodies = absl::StrSplit(fields.Take("body"), ',');
    const std::vector<std::string> groups = TakeList(fields, "group", bodies.size());
    const std::vector<std::string> ids = TakeList(fields, "id", bodies.size());
    for (size_t i = 0; i < bodies.size(); ++i) {
      auto content = std::make_shared<MessageContent>();
      content->body = bodies[i];
      content->message_id = absl::StrFormat("00000000-0000-0000-0000-%012d", ++messages_);
      bodies_[content->message_id] = bodies[i];
      content->message_group_id = groups[i];
      content->deduplication_id = ids[i];
      if (configs_[queue]->fifo && ids[i].empty()) content->deduplication_id = bodies[i];
      send.messages.push_back({std::move(content), delay});
    }
    sent_ = bodies;
    Decide(send);
  }

  // One for each, or the same for all.
  static std::vector<std::string> TakeList(Fields& fields, const std::string& name, size_t size) {
    std::vector<std::string> list = absl::StrSplit(fields.TakeOr(name, ""), ',');
    if (list.size() != 1 && list.size() != size) {
      fields.Wrong(absl::StrCat(name, " has ", list.size(), " values for ", size, " messages"));
    }
    list.resize(size, list.front());
    return list;
  }

  void DoReceive(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    Receive receive{.partition = queue, .config = configs_[queue]};
    receive.max_messages = fields.TakeInt("max", 10);
    receive.visibility_timeout = fields.TakeDuration("visibility");
    if (const auto wait = fields.TakeDuration("wait")) receive.wait_until = now_ + *wait;
    receive.consumer = fields.TakeOr("consumer", "");
    receive.attempt_id = fields.TakeOr("attempt", "");
    receive.only_repeat = fields.TakeOr("only_repeat", "no") == "yes";
    const std::string name = fields.TakeOr("name", "");
    const RequestId request = Decide(receive);
    if (answered_) return;
    waiting_[request] = name;
    if (effects_.empty()) out_.push_back("waits");
  }

  void DoCancel(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    const std::string name = fields.Take("name");
    for (const auto& [request, waiting] : waiting_) {
      if (waiting == name) return (void)Decide(CancelReceive{queue, request});
    }
    fields.Wrong(absl::StrCat("no receive ", name, " waits"));
  }

  Receipt TakeReceipt(Fields& fields, PartitionId queue) {
    const std::string name = fields.Take("receipt");
    const auto it = receipts_.find({queue, name});
    if (it != receipts_.end()) return it->second;
    fields.Wrong(absl::StrCat("there is no receipt ", name));
    return {};
  }

  void DoDelete(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    Decide(Delete{queue, {TakeReceipt(fields, queue)}});
  }

  void DoChange(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    const Receipt receipt = TakeReceipt(fields, queue);
    const auto timeout = fields.TakeDuration("timeout").value_or(absl::ZeroDuration());
    Decide(ChangeVisibility{queue, {{receipt, timeout}}});
  }

  void DoRelease(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    Decide(ReleaseLease{queue, {TakeReceipt(fields, queue)}});
  }

  void DoPurge(Fields& fields) { Decide(Purge{TakeQueue(fields)}); }
  void DoDrop(Fields& fields) {
    const std::string name = fields.Take("queue");
    Decide(DropPartition{queues_[name]});
    if (fields.TakeOr("keep", "no") != "yes") queues_.erase(name);
  }
  void DoTick(Fields&) { Decide(Tick{}); }

  void DoRedrive(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    redrive_to_ = TakeQueue(fields, "to");
    Decide(TakeForRedrive{queue, configs_[queue], fields.TakeInt("max", 10)});
  }

  void SetMoves(Fields& fields) { moves_ = fields.Take("outcome"); }

  void ShowStats(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    Decide(Tick{});
    const PartitionStats stats = state_.Stats(queue);
    out_.push_back(absl::StrCat(
        "ready=", stats.ready, " in_flight=", stats.in_flight, " delayed=", stats.delayed,
        " waiting=", stats.waiting_receives, " dead_lettered=", stats.dead_lettered,
        " expired=", stats.expired,
        stats.oldest_sent_at ? absl::StrCat(" oldest=", Since(*stats.oldest_sent_at)) : "",
        stats.groups > 0 ? absl::StrCat(" groups=", stats.groups) : "",
        configs_[queue]->fifo ? absl::StrCat(" blocked=", stats.blocked) : ""));
  }

  void ShowGroups(Fields& fields) {
    const PartitionId queue = TakeQueue(fields);
    Decide(Tick{});
    const auto groups = state_.Groups(queue, fields.TakeOr("after", ""),
                                      static_cast<size_t>(fields.TakeInt("max", 100)));
    for (const GroupStatus& group : groups) {
      std::string line = absl::StrCat(group.group, " ready=", group.ready, " in_flight=",
                                      group.in_flight, " delayed=", group.delayed,
                                      group.noisy ? " noisy" : "");
      if (group.blocker.has_value()) {
        const GroupStatus::Blocker& by = *group.blocker;
        absl::StrAppend(&line, " blocked_by=", contents_[by.seq]->body, " receives=",
                        by.receive_count, by.since ? " since=" + Since(*by.since) : "", " until=",
                        by.until == absl::InfiniteFuture() ? "moved" : Since(by.until),
                        by.consumer.empty() ? "" : " consumer=" + by.consumer);
      }
      out_.push_back(line);
    }
    if (groups.empty()) out_.push_back("no groups");
  }

  // ---- Rows ----
  void DoRestart(Fields&) {
    state_ = store_.Recover(state_.next_log_no(), now_, limits_, /*newest_segment_first=*/false);
    waiting_.clear();
    for (const auto& [name, queue] : queues_) Decide(Configure{queue, configs_[queue]});
  }

  void DoSegment(Fields& fields) {
    const SegmentNo next(fields.TakeInt("new", 0));
    store_.Start(next);
    state_.StartSegment(next);
  }

  void DoCopyForward(Fields&) {
    const SegmentNo oldest = store_.oldest();
    CopyForward copy = store_.ReadSegment(oldest, SIZE_MAX);
    copy.last = true;
    Decide(copy);
    store_.Drop(oldest);
    out_.push_back(absl::StrCat("segment ", oldest.value(), " is dropped, ",
                                state_.LiveInSegment(state_.active_segment()), " live in segment ",
                                state_.active_segment().value()));
  }

  void DoDropSegment(Fields&) {
    const SegmentNo oldest = store_.oldest();
    const int64_t live = state_.LiveInSegment(oldest);
    if (live > 0) return out_.push_back(absl::StrCat(live, " live in segment ", oldest.value()));
    store_.Drop(oldest);
  }

  // ---- Decisions ----
  RequestId Decide(const Command& command) {
    const RequestId request(++requests_);
    const Decision decision = state_.Decide(request, command, now_);
    store_.Append(decision);
    for (const Mutation& row : decision.mutations) {
      const auto* message = std::get_if<AppendMessage>(&row);
      if (message != nullptr) contents_[message->meta.seq] = message->content;
    }
    answered_ = false;
    for (const auto& [id, reply] : decision.replies) {
      answered_ = answered_ || id == request;
      const auto waiting = waiting_.find(id);
      std::string who;
      if (waiting != waiting_.end()) {
        who = waiting->second.empty() ? "" : absl::StrCat(waiting->second, ": ");
        waiting_.erase(waiting);
      }
      Tell(who, reply);
    }
    effects_.insert(effects_.end(), decision.effects.begin(), decision.effects.end());
    return request;
  }

  void CarryOutEffects() {
    while (!effects_.empty()) {
      const Effect effect = effects_.front();
      effects_.pop_front();
      if (const auto* need = std::get_if<NeedRefill>(&effect)) {
        Decide(store_.Read(*need, read_messages_, state_.next_log_no()));
      } else {
        CarryOut(std::get<Transfer>(effect));
      }
    }
  }

  void CarryOut(const Transfer& transfer) {
    const MessageSeq seq = transfer.meta.seq;
    const bool redrive = !transfer.destination.has_value();
    const PartitionId to = redrive ? redrive_to_ : transfer.destination->partition;
    const std::string name = contents_[seq]->body;
    if (moves_ == "refused") {
      out_.push_back(absl::StrCat(name, " is refused by ", NameOf(to)));
      return (void)Decide(AbortTransfer{transfer.source, seq});
    }
    if (moves_ == "away") {
      out_.push_back(absl::StrCat(NameOf(to), " is away; ", name, " waits for 1s"));
      return (void)Decide(AbortTransfer{transfer.source, seq, absl::Seconds(1)});
    }
    out_.push_back(absl::StrCat(name, " moves from ", NameOf(transfer.source), " to ", NameOf(to)));
    Decide(MoveWithinShard{transfer.source,
                           {.partition = to,
                            .config = configs_[to],
                            .transfer = {transfer.source, seq},
                            .sent_at = redrive ? now_ : transfer.meta.sent_at,
                            .receive_count = redrive ? 0 : transfer.meta.receive_count,
                            .content = contents_[seq]}});
  }

  // ---- Words ----
  static std::string Since(absl::Time time) { return absl::FormatDuration(time - kStart); }

  void Tell(const std::string& who, const Reply& reply) {
    if (const auto* status = std::get_if<absl::Status>(&reply)) {
      out_.push_back(absl::StrCat(who, std::string(status->message())));
    } else if (const auto* sent = std::get_if<SendReply>(&reply)) {
      for (size_t i = 0; i < sent->duplicate_of.size(); ++i) {
        if (sent->duplicate_of[i].empty()) continue;
        out_.push_back(absl::StrCat(sent_[i], " is a duplicate of ", bodies_[sent->duplicate_of[i]],
                                    ", seq ", sent->seqs[i].value()));
      }
    } else if (const auto* receive = std::get_if<ReceiveReply>(&reply)) {
      TellReceived(who, *receive);
    } else if (const auto* deletes = std::get_if<DeleteReply>(&reply)) {
      constexpr const char* kWords[] = {"deleted", "already gone", "stale receipt",
                                        "the receipt has expired"};
      for (const auto outcome : deletes->outcomes) {
        out_.push_back(kWords[static_cast<int>(outcome)]);
      }
    } else if (const auto* changes = std::get_if<ChangeVisibilityReply>(&reply)) {
      constexpr const char* kWords[] = {"changed", "the message is gone", "beyond the limit of 12h",
                                        "the receipt has expired"};
      for (const auto outcome : changes->outcomes) {
        out_.push_back(kWords[static_cast<int>(outcome)]);
      }
    } else if (const auto* purge = std::get_if<PurgeReply>(&reply)) {
      out_.push_back(absl::StrCat("removed ", purge->removed));
    } else if (const auto* take = std::get_if<TakeReply>(&reply)) {
      out_.push_back(absl::StrCat("takes ", take->taken));
    }
  }

  void TellReceived(const std::string& who, const ReceiveReply& reply) {
    if (reply.messages.empty()) out_.push_back(absl::StrCat(who, "nothing"));
    for (const ReceivedMessage& message : reply.messages) {
      const std::string name = contents_[message.seq]->body;
      const std::string receipt = absl::StrCat(name, "#", message.receive_count);
      receipts_[{reply.partition, receipt}] = {message.seq, message.receive_count};
      out_.push_back(absl::StrCat(who, name, " receipt=", receipt,
                                  " receives=", message.receive_count,
                                  " sent=", Since(message.sent_at),
                                  " until=", Since(message.visible_at)));
    }
  }

  absl::Time now_ = kStart;
  ShardLimits limits_;
  size_t read_messages_ = 1'000;
  ShardState state_{LogNo(1), SegmentNo(1)};
  SimStore store_{SegmentNo(1)};
  int64_t requests_ = 0;
  int64_t versions_ = 0;
  int64_t partitions_ = 0;
  std::map<std::string, PartitionId> queues_;
  std::map<PartitionId, ConfigPtr> configs_;
  std::map<MessageSeq, ContentPtr> contents_;
  int messages_ = 0;
  std::map<std::string, std::string> bodies_;  // by message id
  std::vector<std::string> sent_;              // bodies of the send that runs
  std::map<std::pair<PartitionId, std::string>, Receipt> receipts_;
  std::map<RequestId, std::string> waiting_;
  PartitionId redrive_to_;
  std::string moves_ = "done";
  // Of the step that runs:
  bool answered_ = false;
  std::deque<Effect> effects_;
  std::vector<std::string> out_;
};

// ---- Files ------------------------------------------------------------------------------------------------------------------

std::filesystem::path TestData() {
  return std::filesystem::path(WEIR_SOURCE_DIR) / "services/queue/core/testdata";
}

std::vector<Step> ReadSteps(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Step> steps;
  Step step;
  bool expects = false;
  const auto end_step = [&] {
    if (!step.command.empty() || !step.comments.empty()) steps.push_back(std::exchange(step, {}));
    expects = false;
  };
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    absl::StripTrailingAsciiWhitespace(&line);
    if (line.empty()) {
      end_step();
    } else if (expects) {
      step.expected.push_back(line);
    } else if (line[0] == '#') {
      step.comments.push_back(line);
    } else if (line == "----") {
      expects = true;
    } else {
      step.command = line;
      step.line = number;
    }
  }
  end_step();
  return steps;
}

std::string Write(const Step& step) {
  std::vector<std::string> lines = step.comments;
  if (!step.command.empty()) {
    lines.push_back(step.command);
    lines.push_back("----");
    lines.insert(lines.end(), step.expected.begin(), step.expected.end());
  }
  return absl::StrCat(absl::StrJoin(lines, "\n"), "\n");
}

class ScenarioTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, ComesOutAsWritten) {
  const std::filesystem::path path = TestData() / (GetParam() + ".txt");
  const bool rewrite = std::getenv("WEIR_REWRITE") != nullptr;
  std::vector<Step> steps = ReadSteps(path);
  ASSERT_FALSE(steps.empty()) << path << " has no steps";
  Scenario scenario;
  for (Step& step : steps) {
    if (step.command.empty()) continue;
    const std::vector<std::string> actual = scenario.Run(step.command);
    if (rewrite) {
      step.expected = actual;
      continue;
    }
    ASSERT_EQ(step.expected, actual)
        << path.string() << ":" << step.line << ": " << step.command << "\nexpected:\n  "
        << absl::StrJoin(step.expected, "\n  ") << "\nbut it came out as:\n  "
        << absl::StrJoin(actual, "\n  ");
  }
  if (!rewrite) return;
  std::vector<std::string> texts;
  for (const Step& step : steps) texts.push_back(Write(step));
  std::ofstream(path) << absl::StrJoin(texts, "\n");
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TestData())) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, ::testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace weir::queue::core::testing
