#include "services/queue/store/conformance/store_conformance.h"

namespace weir::queue::store {
namespace {

template <typename Backend>
class LeaseConformance : public StoreConformance<Backend> {
 protected:
  absl::Status Renew(absl::string_view replica, absl::Duration lease_time = absl::Minutes(1)) {
    return this->leases().RenewReplica(replica, absl::StrCat(replica, ":7801"), lease_time, Soon());
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
  ASSERT_TRUE(this->leases().RenewReplica("a", "elsewhere:1", absl::Minutes(1), Soon()).ok());
  EXPECT_EQ(this->Ownership().address, "elsewhere:1");
}

TYPED_TEST(LeaseConformance, AcquireOfAShardThatIsNotThereFails) {
  EXPECT_EQ(ReasonOf(this->leases().AcquireShard(core::ShardId(5), "a", Soon()).status()),
            ErrorReason::kInternal);
}

}  // namespace
}  // namespace weir::queue::store
