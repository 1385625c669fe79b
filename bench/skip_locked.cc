#include "bench/skip_locked.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "bench/blocking_cycle.h"
#include "bench/postgres.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"

namespace weir::bench {
namespace {

// As long as it takes others to commit; a service would wait for a notification or poll.
constexpr absl::Duration kPause = absl::Milliseconds(1);

std::vector<std::string> Schema(const std::string& table) {
  return {absl::StrCat("CREATE TABLE ", table,
                       " (id bigserial PRIMARY KEY, queue text NOT NULL, body text NOT NULL,"
                       " visible_at timestamptz NOT NULL DEFAULT now(),"
                       " receive_count integer NOT NULL DEFAULT 0,"
                       " enqueued_at timestamptz NOT NULL DEFAULT now())"),
          absl::StrCat("CREATE INDEX ON ", table, " (queue, visible_at)")};
}

class Client : public BlockingClient {
 public:
  static absl::StatusOr<std::unique_ptr<BlockingClient>> Connect(const Options& options,
                                                                 const std::string& table,
                                                                 int queue) {
    WEIR_ASSIGN_OR_RETURN(std::unique_ptr<Postgres> postgres,
                          Postgres::Connect(options.database_url));
    // The statements are planned while the table is empty, when a scan of it looks cheap.
    WEIR_RETURN_IF_ERROR(postgres->Run("SET enable_seqscan = off").status());
    std::vector<std::string> rows;
    for (int i = 0; i < options.batch; ++i) rows.push_back(absl::StrCat("($1, $", i + 2, ")"));
    WEIR_RETURN_IF_ERROR(
        postgres->Prepare("send", absl::StrCat("INSERT INTO ", table, " (queue, body) VALUES ",
                                               absl::StrJoin(rows, ", "), " RETURNING id")));
    WEIR_RETURN_IF_ERROR(postgres->Prepare(
        "receive",
        absl::StrCat(
            "UPDATE ", table,
            " SET visible_at = now() + interval '10 min', receive_count = receive_count + 1"
            " WHERE id = ANY (ARRAY(SELECT id FROM ",
            table,
            " WHERE queue = $1 AND visible_at <= now() ORDER BY visible_at"
            " LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING id, body, receive_count")));
    WEIR_RETURN_IF_ERROR(postgres->Prepare(
        "delete", absl::StrCat("DELETE FROM ", table, " WHERE id = ANY ($1::bigint[])")));
    return std::make_unique<Client>(std::move(postgres), absl::StrCat("weir-bench-", queue));
  }

  Client(std::unique_ptr<Postgres> postgres, std::string queue)
      : postgres_(std::move(postgres)), queue_(std::move(queue)) {}

  absl::Status Send(const std::vector<std::string>& bodies, std::vector<uint64_t>& ids) override {
    parameters_.assign({queue_.c_str()});
    for (const std::string& body : bodies) parameters_.push_back(body.c_str());
    WEIR_ASSIGN_OR_RETURN(const Postgres::Result sent, postgres_->RunPrepared("send", parameters_));
    for (size_t i = 0; i < bodies.size(); ++i) ids.push_back(Id(sent, static_cast<int>(i)));
    return absl::OkStatus();
  }

  absl::Status Receive(int max, std::vector<ReceivedMessage>& received) override {
    const std::string limit = absl::StrCat(max);
    WEIR_ASSIGN_OR_RETURN(received_,
                          postgres_->RunPrepared("receive", {queue_.c_str(), limit.c_str()}));
    const int count = PQntuples(received_.get());
    for (int row = 0; row < count; ++row) {
      received.push_back(
          {.body = absl::string_view(PQgetvalue(received_.get(), row, 1),
                                     static_cast<size_t>(PQgetlength(received_.get(), row, 1))),
           .id = Id(received_, row)});
    }
    if (count == 0) absl::SleepFor(kPause);
    return absl::OkStatus();
  }

  absl::Status DeleteReceived() override {
    std::string ids;
    for (int row = 0; row < PQntuples(received_.get()); ++row) {
      absl::StrAppend(&ids, ids.empty() ? "{" : ",", PQgetvalue(received_.get(), row, 0));
    }
    ids.push_back('}');
    return postgres_->RunPrepared("delete", {ids.c_str()}).status();
  }

 private:
  static uint64_t Id(const Postgres::Result& result, int row) {
    uint64_t id = 0;
    return absl::SimpleAtoi(PQgetvalue(result.get(), row, 0), &id) ? id : 0;
  }

  const std::unique_ptr<Postgres> postgres_;
  const std::string queue_;
  std::vector<const char*> parameters_;
  Postgres::Result received_{nullptr, PQclear};
};

}  // namespace

absl::StatusOr<Report> RunSkipLocked(const Options& options, CpuMeter& cpu) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Postgres> admin,
                        Postgres::Connect(options.database_url));
  const std::string table = absl::StrCat("weir_bench_", RandomToken(4));
  for (const std::string& statement : Schema(table)) {
    WEIR_RETURN_IF_ERROR(admin->Run(statement).status());
  }
  WEIR_ASSIGN_OR_RETURN(const Report report,
                        RunBlockingCycles("skip-locked", options, cpu, [&](int queue) {
                          return Client::Connect(options, table, queue);
                        }));
  WEIR_ASSIGN_OR_RETURN(const Postgres::Result left,
                        admin->Run(absl::StrCat("SELECT count(*) FROM ", table)));
  const std::string rows_left = PQgetvalue(left.get(), 0, 0);
  WEIR_RETURN_IF_ERROR(admin->Run(absl::StrCat("DROP TABLE ", table)).status());
  if (rows_left != "0") {
    return absl::InternalError(absl::StrCat(rows_left, " messages are left in the table."));
  }
  return report;
}

}  // namespace weir::bench
