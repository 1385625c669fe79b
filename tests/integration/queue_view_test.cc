// What psql shows is what the service knows: the SQL of queue.messages against the engine, after random operations over small
// segments, with copies and restarts.
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/engine_on_pg_fixture.h"

namespace weir::queue {
namespace {

using testing::HasSubstr;

class ViewTest : public EngineOnPgTest {
 protected:
  static std::string Line(absl::string_view id, absl::string_view state, int receives, absl::string_view body,
                          int64_t visible_at_us, int64_t first_received_us) {
    return absl::StrCat(id, " ", state, " ", receives, " ", body, " ", state == "ready" ? 0 : visible_at_us, " ",
                        first_received_us);
  }

  std::vector<std::string> ByService(const std::string& name) {
    std::vector<std::string> lines;
    engine::PeekQuery query{.partition = Queue(name)->address.partition, .limit = 100};
    while (true) {
      std::promise<absl::StatusOr<engine::ShardAnswer>> promise;
      engine_->shard(core::ShardId(0)).Query(query, absl::InfiniteFuture(), [&](absl::StatusOr<engine::ShardAnswer> answer) {
        promise.set_value(std::move(answer));
      });
      const auto answer = std::get<engine::PeekAnswer>(promise.get_future().get().value());
      for (const engine::PeekedMessage& message : answer.messages) {
        static constexpr const char* kStates[] = {"", "ready", "in_flight", "delayed"};
        lines.push_back(Line(message.content->message_id, kStates[static_cast<int>(message.state)],
                             message.receive_count, message.content->body, absl::ToUnixMicros(message.visible_at),
                             absl::ToUnixMicros(message.first_received_at.value_or(absl::UnixEpoch()))));
      }
      if (!answer.looked_to.has_value()) return lines;
      query.after = *answer.looked_to;
    }
  }

  std::vector<std::string> BySql(const std::string& name) {
    const pqxx::result rows = Query(absl::StrCat(
        "SELECT message_id, state, receive_count, body, (extract(epoch FROM visible_at) * 1000000)::bigint,"
        " coalesce((extract(epoch FROM first_received_at) * 1000000)::bigint, 0) FROM queue.messages('",
        name, "')"));
    std::vector<std::string> lines;
    for (const auto& row : rows) {
      lines.push_back(Line(row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<int>(),
                           row[3].as<std::string>(), row[4].as<int64_t>(), row[5].as<int64_t>()));
    }
    return lines;
  }

  // Moves may be under way, so not at once.
  void ExpectEqual(const std::string& name) {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (absl::Now() < deadline && ByService(name) != BySql(name)) {
    }
    ASSERT_EQ(BySql(name), ByService(name)) << name;
  }
};

TEST_F(ViewTest, ShowsWhatTheServiceShowsAfterRandomOperations) {
  CreateQueue("dead");
  CreateQueue("idle");
  store::QueueAttributes attributes;
  attributes.redrive_policy = {.dead_letter_queue_arn = engine::QueueArn(Name("dead")), .max_receive_count = 2};
  CreateQueue("jobs", attributes);
  for (int i = 0; i < 20; ++i) Send("idle");
  std::mt19937 random(17);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::vector<core::Receipt> receipts;
  for (int step = 1; step <= 1'500; ++step) {
    const core::PartitionId jobs = Queue("jobs")->address.partition;
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        Send("jobs", below(6) == 0 ? std::optional(absl::Hours(1)) : std::nullopt);
        break;
      case 3:
      case 4:
        for (const core::Receipt& receipt : Receive("jobs", 1 + below(4))) receipts.push_back(receipt);
        break;
      case 5:
        Receive("jobs", 1 + below(3), absl::ZeroDuration());
        break;
      case 6:
      case 7:
      case 8:
        if (receipts.empty()) break;
        std::swap(receipts[static_cast<size_t>(below(static_cast<int>(receipts.size())))], receipts.back());
        if (below(4) == 0) {
          Do(core::ChangeVisibility{jobs, {{receipts.back(), absl::Hours(below(3))}}});
        } else {
          Do(core::Delete{jobs, {receipts.back()}});
        }
        receipts.pop_back();
        break;
      default:
        if (below(60) == 0) Do(core::Purge{jobs});
        if (below(40) == 0) Restart();
        break;
    }
    if (step % 50 != 0) continue;
    for (const char* name : {"jobs", "dead", "idle"}) ExpectEqual(name);
    if (HasFatalFailure()) FAIL() << "after step " << step;
  }
  EXPECT_GT(Count("SELECT max(segment) FROM shard_0000.segments"), 20);  // so there were copies
  EXPECT_EQ(Count("SELECT count(*) FROM queue.messages('idle')"), 20);
  EXPECT_EQ(Count("SELECT count(*) FROM queue.live_messages"),
            Count("SELECT (SELECT count(*) FROM queue.messages('jobs')) + (SELECT count(*) FROM"
                  " queue.messages('dead')) + 20"));
}

TEST_F(ViewTest, LeavesOutWhatHasExpired) {
  CreateQueue("jobs");
  Send("jobs");
  EXPECT_EQ(Count("SELECT count(*) FROM queue.messages('jobs')"), 1);
  pqxx::work tx(*connection_);
  tx.exec("UPDATE queue.queues SET retention_s = 60;"
          "UPDATE shard_0000.messages_000001 SET sent_at = sent_at - interval '61s'");
  tx.commit();
  EXPECT_EQ(Count("SELECT count(*) FROM queue.messages('jobs')"), 0);
}

TEST_F(ViewTest, NamesTheQueueThatDoesNotExist) {
  try {
    Count("SELECT count(*) FROM queue.messages('typo')");
    FAIL();
  } catch (const pqxx::sql_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("queue \"typo\" does not exist in account 000000000000, region us-east-1"));
  }
}

TEST_F(ViewTest, NeedsOnlyUsageOfTheSchema) {
  CreateQueue("jobs");
  Send("jobs");
  pqxx::work tx(*connection_);
  const std::string role = absl::StrCat("looker_", tx.exec("SELECT pg_backend_pid()")[0][0].as<int>());
  tx.exec(absl::StrCat("CREATE ROLE ", role, "; GRANT USAGE ON SCHEMA queue TO ", role, "; SET LOCAL ROLE ", role));
  EXPECT_EQ(tx.exec("SELECT count(*) FROM queue.messages('jobs')")[0][0].as<int>(), 1);
  EXPECT_THROW(tx.exec("SELECT * FROM queue.queues"), pqxx::insufficient_privilege);
}

}  // namespace
}  // namespace weir::queue
