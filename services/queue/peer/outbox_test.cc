#include "services/queue/peer/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/internal/peer/v1/peer_service.pb.h"

namespace weir::queue::peer {
namespace {

namespace v1 = ::weir::internal::peer::v1;
using testing::ElementsAre;
using testing::IsEmpty;

class OutboxTest : public testing::Test {
 protected:
  void Add(int tag, size_t bytes) {
    auto item = std::make_unique<v1::RequestItem>();
    item->set_id(tag);
    outbox_.Add(std::move(item), bytes, tag);
  }
  // The tags of the next frame, which are the ids of its items.
  std::vector<int> Fill(size_t bytes_max) {
    v1::LinkRequest frame;
    std::vector<int> tags;
    outbox_.Fill(bytes_max, frame, tags);
    for (int i = 0; i < frame.items_size(); ++i) EXPECT_EQ(frame.items(i).id(), tags[i]);
    return tags;
  }

  Outbox<v1::LinkRequest, v1::RequestItem, int> outbox_;
};

TEST_F(OutboxTest, FrameTakesWhatFitsInOrder) {
  for (int i = 1; i <= 5; ++i) Add(i, 10);
  EXPECT_EQ(outbox_.bytes(), 50);
  EXPECT_THAT(Fill(35), ElementsAre(1, 2, 3));
  EXPECT_EQ(outbox_.bytes(), 20);
  EXPECT_THAT(Fill(35), ElementsAre(4, 5));
  EXPECT_TRUE(outbox_.empty());
  EXPECT_THAT(Fill(35), IsEmpty());
}

TEST_F(OutboxTest, ItemThatIsTooLargeGoesAlone) {
  Add(1, 100);
  Add(2, 1);
  EXPECT_THAT(Fill(10), ElementsAre(1));
  EXPECT_THAT(Fill(10), ElementsAre(2));
}

TEST_F(OutboxTest, WhatIsRemovedIsNotWritten) {
  for (int i = 1; i <= 4; ++i) Add(i, 10);
  outbox_.Remove([](const v1::RequestItem& item, int) { return item.id() % 2 == 0; });
  EXPECT_EQ(outbox_.bytes(), 20);
  EXPECT_THAT(Fill(100), ElementsAre(1, 3));
}

}  // namespace
}  // namespace weir::queue::peer
