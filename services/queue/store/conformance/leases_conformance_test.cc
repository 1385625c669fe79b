#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

template <typename Backend>
class LeaseConformance : public StoreConformance<Backend> {
 protected:
  absl::Status Renew(absl::string_view replica, absl::Duration lease_time = absl::Minutes(1)) {
    return this->leases().RenewReplica({.replica = std::string(replica),
                                        .address = absl::StrCat(replica, ":7801"),
                                        .lease_time = lease_time},
                                       Soon());
  }
  absl::StatusOr<core::Epoch> Acquire(absl::string_view replica) {
    return this->leases().AcquireShard(kShard, replica, Soon());
  }
  ShardOwnership Ownership() { return this->leases().ListShards(Soon()).value().at(0); }
};
TYPED_TEST_SUITE(LeaseConformance, Backends, BackendNames);

TYPED_TEST(LeaseConformance, NewShardHasNoOwner) {
  const ShardOwnership shard = this->Ownership();
  EXPECT_EQ(shard.shard, kShard);
  EXPECT_EQ(shard.epoch, core::Epoch(0));
  EXPECT_EQ(shard.owner, "");
  EXPECT_FALSE(shard.owner_alive);
}

TYPED_TEST(LeaseConformance, AcquireRaisesTheEpochAndNamesTheOwner) {
  ASSERT_TRUE(this->Renew("a").ok());
  const core::Epoch first = this->Acquire("a").value();
  EXPECT_GT(first, core::Epoch(0));
  const ShardOwnership shard = this->Ownership();
  EXPECT_EQ(shard.epoch, first);
  EXPECT_EQ(shard.owner, "a");
  EXPECT_EQ(shard.address, "a:7801");
  EXPECT_TRUE(shard.owner_alive);
}

TYPED_TEST(LeaseConformance, SameReplicaMayTakeOverItself) {
  ASSERT_TRUE(this->Renew("a").ok());
  const core::Epoch first = this->Acquire("a").value();
  EXPECT_GT(this->Acquire("a").value(), first);
}

TYPED_TEST(LeaseConformance, RefusedWhileAnotherReplicaLives) {
  ASSERT_TRUE(this->Renew("a").ok());
  ASSERT_TRUE(this->Renew("b").ok());
  const core::Epoch first = this->Acquire("a").value();
  const absl::Status refused = this->Acquire("b").status();
  EXPECT_EQ(ReasonOf(refused), ErrorReason::kShardNotOwned) << refused;
  EXPECT_EQ(this->Ownership().owner, "a");
  EXPECT_EQ(this->Ownership().epoch, first);
}

TYPED_TEST(LeaseConformance, TakenFromAReplicaWhoseLeaseHasEnded) {
  ASSERT_TRUE(this->Renew("a").ok());
  const core::Epoch first = this->Acquire("a").value();
  ASSERT_TRUE(this->Renew("a", absl::ZeroDuration()).ok());
  EXPECT_FALSE(this->Ownership().owner_alive);
  EXPECT_GT(this->Acquire("b").value(), first);
  EXPECT_EQ(this->Ownership().owner, "b");
}

TYPED_TEST(LeaseConformance, TakenFromAReplicaThatGaveItsLeaseBack) {
  ASSERT_TRUE(this->Renew("a").ok());
  const core::Epoch first = this->Acquire("a").value();
  ASSERT_TRUE(this->leases().ReleaseReplica("a", Soon()).ok());
  EXPECT_FALSE(this->Ownership().owner_alive);
  EXPECT_GT(this->Acquire("b").value(), first);
}

TYPED_TEST(LeaseConformance, ReleaseOfNoReplicaIsOk) {
  EXPECT_TRUE(this->leases().ReleaseReplica("nobody", Soon()).ok());
}

TYPED_TEST(LeaseConformance, RenewalChangesTheAddress) {
  ASSERT_TRUE(this->Renew("a").ok());
  ASSERT_TRUE(this->Acquire("a").ok());
  ASSERT_TRUE(this->leases().RenewReplica({"a", "elsewhere:1", absl::Minutes(1)}, Soon()).ok());
  EXPECT_EQ(this->Ownership().address, "elsewhere:1");
}

TYPED_TEST(LeaseConformance, ReleasedShardHasNoOwnerAndKeepsItsEpoch) {
  ASSERT_TRUE(this->Renew("a").ok());
  ASSERT_TRUE(this->Renew("b").ok());
  const core::Epoch first = this->Acquire("a").value();
  ASSERT_TRUE(this->leases().ReleaseShard(kShard, "a", first, Soon()).ok());
  EXPECT_EQ(this->Ownership().owner, "");
  EXPECT_FALSE(this->Ownership().owner_alive);
  EXPECT_EQ(this->Ownership().epoch, first);
  EXPECT_GT(this->Acquire("b").value(), first);
}

TYPED_TEST(LeaseConformance, WhoDoesNotOwnTheShardCannotReleaseIt) {
  ASSERT_TRUE(this->Renew("a").ok());
  const core::Epoch first = this->Acquire("a").value();
  const core::Epoch second = this->Acquire("a").value();
  ASSERT_TRUE(this->leases().ReleaseShard(kShard, "a", first, Soon()).ok());
  ASSERT_TRUE(this->leases().ReleaseShard(kShard, "b", second, Soon()).ok());
  EXPECT_EQ(this->Ownership().owner, "a");
}

TYPED_TEST(LeaseConformance, ReleaseOfAShardThatIsNotThereFails) {
  EXPECT_EQ(ReasonOf(this->leases().ReleaseShard(core::ShardId(5), "a", core::Epoch(1), Soon())),
            ErrorReason::kInternal);
}

TYPED_TEST(LeaseConformance, ReplicasAreListedByNameWithWhatTheySaid) {
  ASSERT_TRUE(this->Renew("b", -absl::Seconds(5)).ok());
  ASSERT_TRUE(this->leases().RenewReplica({"a", "here:1", absl::Minutes(1), true}, Soon()).ok());
  const auto replicas = this->leases().ListReplicas(Soon()).value();
  ASSERT_EQ(replicas.size(), 2u);
  EXPECT_EQ(replicas[0].replica, "a");
  EXPECT_EQ(replicas[0].address, "here:1");
  EXPECT_TRUE(replicas[0].leaving);
  EXPECT_TRUE(replicas[0].alive());
  EXPECT_LE(replicas[0].lease_left, absl::Minutes(1));
  EXPECT_EQ(replicas[1].replica, "b");
  EXPECT_FALSE(replicas[1].leaving);
  EXPECT_FALSE(replicas[1].alive());
}

TYPED_TEST(LeaseConformance, RenewalTakesBackThatItLeaves) {
  ASSERT_TRUE(this->leases().RenewReplica({"a", "here:1", absl::Minutes(1), true}, Soon()).ok());
  ASSERT_TRUE(this->Renew("a").ok());
  EXPECT_FALSE(this->leases().ListReplicas(Soon()).value().at(0).leaving);
}

TYPED_TEST(LeaseConformance, LongSilentReplicasAreForgotten) {
  ASSERT_TRUE(this->Renew("old", -kReplicaForgottenAfter - absl::Minutes(1)).ok());
  ASSERT_TRUE(this->Renew("silent", -kReplicaForgottenAfter + absl::Minutes(1)).ok());
  ASSERT_TRUE(this->Renew("a").ok());
  const auto replicas = this->leases().ListReplicas(Soon()).value();
  ASSERT_EQ(replicas.size(), 2u);
  EXPECT_EQ(replicas[0].replica, "a");
  EXPECT_EQ(replicas[1].replica, "silent");
}

TYPED_TEST(LeaseConformance, AcquireOfAShardThatIsNotThereFails) {
  EXPECT_EQ(ReasonOf(this->leases().AcquireShard(core::ShardId(5), "a", Soon()).status()),
            ErrorReason::kInternal);
}

}  // namespace
}  // namespace weir::queue::store
