#include "services/queue/engine/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace weir::queue::engine {
namespace {

using testing::Each;

std::vector<std::string> Names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(absl::StrCat("weir-queue-", i));
  return names;
}

// By name rather than by index.
std::vector<std::string> Place(int shards, const std::vector<std::string>& names) {
  std::vector<std::string> placed;
  for (const int place : PlaceShards(shards, names)) placed.push_back(names.at(static_cast<size_t>(place)));
  return placed;
}

int Moved(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  int moved = 0;
  for (size_t i = 0; i < a.size(); ++i) moved += a[i] != b[i];
  return moved;
}

TEST(PlaceShardsTest, NobodyServesWhenNobodyLives) { EXPECT_THAT(PlaceShards(3, {}), Each(-1)); }

TEST(PlaceShardsTest, OneReplicaServesAll) { EXPECT_THAT(PlaceShards(16, Names(1)), Each(0)); }

TEST(PlaceShardsTest, NoReplicaGetsMoreThanItsShareRoundedUp) {
  for (const int shards : {1, 3, 4, 16, 64, 1024}) {
    for (const int replicas : {2, 3, 5, 8}) {
      std::map<std::string, int> counts;
      for (const std::string& name : Place(shards, Names(replicas))) ++counts[name];
      for (const auto& [name, count] : counts) {
        EXPECT_LE(count, (shards + replicas - 1) / replicas) << shards << " " << replicas;
      }
    }
  }
}

TEST(PlaceShardsTest, OrderOfTheNamesDoesNotMatter) {
  std::vector<std::string> names = Names(5);
  const auto placed = Place(64, names);
  std::reverse(names.begin(), names.end());
  EXPECT_EQ(Place(64, names), placed);
}

TEST(PlaceShardsTest, ReplicaThatGoesMovesLittleMoreThanItsOwn) {
  for (const int replicas : {2, 3, 5, 8}) {
    const auto before = Place(1024, Names(replicas));
    const auto after = Place(1024, Names(replicas - 1));
    const auto its_own = std::count(before.begin(), before.end(), Names(replicas).back());
    EXPECT_LE(Moved(before, after), its_own * 3 / 2) << replicas;
  }
}

TEST(PlaceShardsTest, ReplicaThatComesMovesLittleMoreThanItsShare) {
  for (const int replicas : {1, 2, 4, 7}) {
    const auto before = Place(1024, Names(replicas));
    const auto after = Place(1024, Names(replicas + 1));
    EXPECT_LE(Moved(before, after), 1024 / (replicas + 1) * 3 / 2) << replicas;
  }
}

}  // namespace
}  // namespace weir::queue::engine
