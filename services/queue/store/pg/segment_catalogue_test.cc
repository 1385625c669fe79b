#include "services/queue/store/pg/segment_catalogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::queue::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CatalogueEntry Entry(int32_t segment, int64_t first, int64_t lowest, bool retired = false) {
  return {.segment = core::SegmentNo(segment),
          .first_log_no = core::LogNo(first),
          .lowest_seq = core::MessageSeq(lowest),
          .retired = retired};
}

// Segment 3 has copies from segments before 1; 2 is retired.
SegmentCatalogue Sample() {
  return SegmentCatalogue({Entry(1, 100, 100), Entry(2, 200, 200, true), Entry(3, 300, 20),
                           Entry(4, 400, 400)});
}

std::vector<int> Numbers(const std::vector<core::SegmentNo>& segments) {
  std::vector<int> numbers;
  for (const core::SegmentNo segment : segments) numbers.push_back(segment.value());
  return numbers;
}

std::vector<int> Holding(std::vector<int64_t> seqs) {
  std::vector<core::MessageSeq> wanted;
  for (const int64_t seq : seqs) wanted.emplace_back(seq);
  return Numbers(Sample().Holding(wanted));
}

TEST(SegmentCatalogue, WindowHasEverySegmentThatReachesBelowItsEnd) {
  const SegmentCatalogue::Window window = Sample().WindowFrom(core::MessageSeq(0));
  EXPECT_THAT(Numbers(window.segments), ElementsAre(1, 3));
  EXPECT_EQ(window.below, core::MessageSeq(200));
}

TEST(SegmentCatalogue, WindowsGoOnToTheActiveSegment) {
  const SegmentCatalogue::Window middle = Sample().WindowFrom(core::MessageSeq(200));
  EXPECT_THAT(Numbers(middle.segments), ElementsAre(3));
  EXPECT_EQ(middle.below, core::MessageSeq(400));
  const SegmentCatalogue::Window last = Sample().WindowFrom(core::MessageSeq(400));
  EXPECT_THAT(Numbers(last.segments), ElementsAre(4));
  EXPECT_FALSE(last.below.has_value());
}

TEST(SegmentCatalogue, MessagesAreLookedForWhereTheyCanBe) {
  EXPECT_THAT(Holding({150}), ElementsAre(1, 3));
  EXPECT_THAT(Holding({10}), IsEmpty());
  EXPECT_THAT(Holding({250}), ElementsAre(3));
  EXPECT_THAT(Holding({1'000'000}), ElementsAre(4));
  EXPECT_THAT(Holding({150, 450}), ElementsAre(1, 3, 4));
}

TEST(SegmentCatalogue, RetiredSegmentsAreListedButNotLive) {
  SegmentCatalogue catalogue = Sample();
  EXPECT_THAT(Numbers(catalogue.Live()), ElementsAre(1, 3, 4));
  EXPECT_THAT(Numbers(catalogue.Retired()), ElementsAre(2));
  catalogue.Retire(core::SegmentNo(1));
  EXPECT_FALSE(catalogue.IsLive(core::SegmentNo(1)));
  EXPECT_TRUE(catalogue.Contains(core::SegmentNo(1)));
  catalogue.Remove(core::SegmentNo(1));
  EXPECT_FALSE(catalogue.Contains(core::SegmentNo(1)));
  catalogue.Start(core::SegmentNo(5), core::LogNo(500));
  EXPECT_EQ(catalogue.active().segment, core::SegmentNo(5));
  EXPECT_EQ(catalogue.WindowFrom(core::MessageSeq(400)).below, core::MessageSeq(500));
}

}  // namespace
}  // namespace weir::queue::store
