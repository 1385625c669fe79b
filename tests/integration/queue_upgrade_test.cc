// Upgrades: a store that an older version wrote, with messages in it, is migrated in place when the service starts.
#include <fstream>
#include <iterator>

#include <pqxx/pqxx>

#include "absl/strings/str_cat.h"
#include "libs/pg/migrator.h"
#include "services/queue/schema.gen.h"
#include "tests/integration/queue_fixture.h"

namespace weir::queue {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class UpgradeTest : public QueueTest {
 protected:
  // Starts nothing: the test fills the database first.
  void SetUp() override {}

  void Execute(const std::string& sql) {
    pqxx::connection connection(dsn());
    pqxx::work tx(connection);
    tx.exec(sql);
    tx.commit();
  }
  int SchemaVersion() {
    pqxx::connection connection(dsn());
    pqxx::work tx(connection);
    return tx.exec("SELECT max(version) FROM weir_meta.schema_migrations WHERE component = 'queue'")[0][0]
        .as<int>();
  }
  // The store of testdata, as if its messages had been sent a minute ago.
  void LoadStoreOfVersion1() {
    std::ifstream file(WEIR_SOURCE_DIR "/tests/integration/testdata/queue_store_0001.sql");
    WEIR_CHECK(file.good(), "no testdata");
    Execute({std::istreambuf_iterator<char>(file), {}});
    Execute(
        "UPDATE shard_0001.messages_000001 SET"
        " visible_at = now() - interval '1 minute' + (visible_at - sent_at),"
        " sent_at = now() - interval '1 minute'");
  }
};

TEST_F(UpgradeTest, StoreOfTheFirstVersionIsMigratedInPlaceAndDeliversItsMessages) {
  LoadStoreOfVersion1();
  ASSERT_EQ(SchemaVersion(), 1);
  QueueTest::SetUp();
  EXPECT_EQ(SchemaVersion(), static_cast<int>(schema::Migrations().size()));

  const v1::Queue orders = GetQueue("orders");
  EXPECT_EQ(orders.attributes().visibility_timeout().seconds(), 45);
  EXPECT_EQ(orders.attributes().redrive_policy().max_receive_count(), 2);
  EXPECT_EQ(orders.attributes().redrive_allow_policy().redrive_permission(),
            v1::REDRIVE_PERMISSION_DENY_ALL);
  EXPECT_FALSE(orders.attributes().has_fifo_queue());
  EXPECT_EQ(orders.attributes().partitions(), 1);
  EXPECT_EQ(orders.tags_size(), 0);
  EXPECT_FALSE(orders.attributes().has_policy());
  EXPECT_EQ(orders.attributes().annotations_size(), 0);

  EXPECT_EQ(Counts("orders"), "2/0/1");
  // One was touched before, the other is read from the store first: a receive need not have both.
  std::vector<v1::ReceivedMessage> received;
  while (received.size() < 2) {
    for (const v1::ReceivedMessage& message :
         ReceiveWith("orders", "max_messages: 10 wait_time { seconds: 20 } message_attribute_names: 'All'")) {
      received.push_back(message);
    }
    ASSERT_FALSE(received.empty());
  }
  EXPECT_THAT(BodiesOf(received), UnorderedElementsAre("received once", "never received"));
  for (const v1::ReceivedMessage& message : received) {
    const bool first = message.body() == "never received";
    EXPECT_EQ(message.receive_count(), first ? 1 : 2) << message.body();
    EXPECT_EQ(message.message_attributes_size(), first ? 2 : 0);
    EXPECT_TRUE(Delete("orders", message.receipt_handle()).ok());
  }
  const auto dead = Receive("orders-dlq");
  EXPECT_THAT(BodiesOf(dead), ElementsAre("poison"));
  EXPECT_EQ(dead[0].receive_count(), 4);
  EXPECT_EQ(dead[0].dead_letter_queue_source_arn(), orders.arn());
}

TEST_F(UpgradeTest, WhatIsNewCanBeUsedInAMigratedStore) {
  LoadStoreOfVersion1();
  QueueTest::SetUp();
  Must(&Stub::TagQueue, Proto<v1::TagQueueRequest>("queue { name: 'orders' } tags { key: 'team' value: 'shop' }"));
  EXPECT_EQ(GetQueue("orders").tags().at("team"), "shop");
  CreateQueue("orders.fifo", "fifo_queue: true");
  const std::string policy =
      R"({"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"111122223333"},)"
      R"("Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:orders"}]})";
  v1::UpdateQueueRequest update;
  update.mutable_queue()->set_name("orders");
  update.mutable_attributes()->set_policy(policy);
  (*update.mutable_attributes()->mutable_annotations())["owner"] = "shop";
  Must(&Stub::UpdateQueue, update);
  StopServer();
  StartServer();
  EXPECT_EQ(GetQueue("orders").attributes().policy(), policy);
  EXPECT_EQ(GetQueue("orders").attributes().annotations().at("owner"), "shop");
  EXPECT_EQ(GetQueue("orders").tags().at("team"), "shop");
  EXPECT_TRUE(GetQueue("orders.fifo").attributes().fifo_queue());
  EXPECT_EQ(Counts("orders"), "2/0/1");
}

TEST_F(UpgradeTest, StoreOfANewerVersionIsRefused) {
  LoadStoreOfVersion1();
  ASSERT_TRUE(MigrateSchema(dsn()).ok());
  Execute(
      "INSERT INTO weir_meta.schema_migrations (component, version, name, checksum)"
      " VALUES ('queue', 999, 'from_the_future', '')");
  observe::Metrics metrics;
  const auto server = QueueServer::Start({.listen = "127.0.0.1:0", .database_url = dsn()}, metrics);
  ASSERT_FALSE(server.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(server.status())) << server.status();
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("version 999"));
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("use a newer Weir"));
}

}  // namespace
}  // namespace weir::queue
