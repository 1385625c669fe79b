#include "services/queue/store/pg/row_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace weir::queue::store {
namespace {

std::string Bytes(absl::string_view hex) { return absl::HexStringToBytes(hex); }

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

PgField Field(const std::string& bytes) { return {bytes.data(), static_cast<int>(bytes.size())}; }

core::AppendMessage SmallMessage() {
  core::AppendMessage message;
  message.log_no = core::LogNo(1);
  message.partition = core::PartitionId(2);
  message.meta.seq = core::MessageSeq(3);
  message.meta.sent_at = absl::FromUnixSeconds(946'684'800);
  message.meta.visible_at = absl::FromUnixMicros(946'684'800'000'005);
  message.content = std::make_shared<core::MessageContent>(
      core::MessageContent{.message_id = "0F8FAD5B-d9cb-469f-a165-70867728950e", .body = "hi"});
  return message;
}

TEST(RowCodec, NumbersHaveTheHighestByteFirst) {
  EXPECT_EQ(Hex(EncodeInt64(258)), "0000000000000102");
  EXPECT_EQ(Hex(EncodeInt64(-1)), "ffffffffffffffff");
  EXPECT_EQ(DecodeInt64(Field(EncodeInt64(-123456789012345))).value(), -123456789012345);
}

TEST(RowCodec, ArraysOfNumbers) {
  EXPECT_EQ(Hex(EncodeInt64Array({})), "000000000000000000000014");
  EXPECT_EQ(Hex(EncodeInt64Array({7})),
            "000000010000000000000014" "0000000100000001" "000000080000000000000007");
}

TEST(RowCodec, AnArrayWithoutRowsHasNoDimension) {
  std::string out = "old";
  EncodeMessages(0x1234, {}, out);
  EXPECT_EQ(Hex(out), "000000000000000000001234");
  EncodeEvents(0x1234, {}, out);
  EXPECT_EQ(Hex(out), "000000000000000000001234");
}

TEST(RowCodec, AMessageIsARecordWithTypedColumns) {
  const core::AppendMessage message = SmallMessage();
  std::string out;
  EncodeMessages(0x1234, absl::MakeConstSpan(&message, 1), out);
  EXPECT_EQ(Hex(out),
            "000000010000000000001234" "0000000100000001"  // one element
            "000000cb" "00000011"                          // its bytes, its columns
            "00000014" "00000008" "0000000000000001"
            "00000014" "00000008" "0000000000000002"
            "00000014" "00000008" "0000000000000003"
            "000004a0" "00000008" "0000000000000000"
            "000004a0" "00000008" "0000000000000005"
            "000004a0" "ffffffff"
            "00000014" "ffffffff"
            "00000014" "ffffffff"
            "00000017" "00000004" "00000000"
            "00000010" "00000001" "00"
            "00000b86" "00000010" "0f8fad5bd9cb469fa16570867728950e"
            "00000019" "ffffffff"
            "00000019" "ffffffff"
            "00000019" "ffffffff"
            "00000011" "ffffffff"
            "00000019" "00000002" "6869"
            "00000019" "ffffffff");
}

TEST(RowCodec, AnEventIsARecordWithTypedColumns) {
  const core::AppendEvent event{.log_no = core::LogNo(1),
                                .kind = core::EventKind::kTransferAccepted,
                                .partition = core::PartitionId(2),
                                .seq = core::MessageSeq(3),
                                .receive_count = 4,
                                .at = absl::FromUnixSeconds(946'684'800),
                                .visible_at = absl::InfinitePast(),
                                .transfer = core::TransferId{core::PartitionId(5), core::MessageSeq(6)},
                                .consumer = "ann"};
  std::string out;
  EncodeEvents(0x99, absl::MakeConstSpan(&event, 1), out);
  EXPECT_EQ(Hex(out),
            "000000010000000000000099" "0000000100000001"
            "0000008d" "0000000a"
            "00000014" "00000008" "0000000000000001"
            "00000014" "00000008" "0000000000000002"
            "00000014" "00000008" "0000000000000003"
            "000004a0" "00000008" "0000000000000000"
            "000004a0" "ffffffff"
            "00000017" "00000004" "00000004"
            "00000015" "00000002" "0006"
            "00000014" "00000008" "0000000000000005"
            "00000014" "00000008" "0000000000000006"
            "00000019" "00000003" "616e6e");
}

TEST(RowCodec, TimesBeforeTheYear2000AndInfinities) {
  EXPECT_EQ(DecodeTime(Field(EncodeInt64(-1))).value(),
            absl::FromUnixSeconds(946'684'800) - absl::Microseconds(1));
  EXPECT_EQ(DecodeTime(Field(EncodeInt64(INT64_MAX))).value(), absl::InfiniteFuture());
  EXPECT_EQ(DecodeTime(Field(EncodeInt64(INT64_MIN))).value(), absl::InfinitePast());
}

TEST(RowCodec, RowsOfAnotherFormAreErrors) {
  const std::string eight = EncodeInt64(1);
  const std::string four = Bytes("00000001");
  EXPECT_FALSE(DecodeInt64(Field(four)).ok());
  EXPECT_FALSE(DecodeInt64(PgField{}).ok());
  EXPECT_FALSE(DecodeTime(Field(four)).ok());
  const std::vector<PgField> all_eight(kMessageColumnCount, Field(eight));
  EXPECT_FALSE(DecodeMessage(all_eight, core::SegmentNo(1)).ok());
  EXPECT_FALSE(DecodeMeta(absl::MakeConstSpan(all_eight).first(kMetaColumnCount), core::SegmentNo(1)).ok());
  EXPECT_FALSE(DecodeEvent(absl::MakeConstSpan(all_eight).first(kEventColumnCount)).ok());
  EXPECT_FALSE(DecodeEvent({}).ok());
  EXPECT_FALSE(DecodeMeta({}, core::SegmentNo(1)).ok());
}

// A stream with two rows of one column: a number, and NULL.
std::string TwoRows() {
  return Bytes("5047434f50590aff0d0a00" "00000000" "00000000"
               "0001" "00000008" "0000000000000007"
               "0001" "ffffffff"
               "ffff");
}

TEST(CopyParser, CutsAStreamWhereverItIsChunked) {
  const std::string stream = TwoRows();
  for (size_t chunk = 1; chunk <= stream.size(); ++chunk) {
    CopyParser parser(1);
    std::vector<std::string> rows;
    for (size_t at = 0; at < stream.size(); at += chunk) {
      parser.Feed(absl::string_view(stream).substr(at, chunk));
      while (true) {
        const auto row = parser.Next();
        ASSERT_TRUE(row.ok()) << row.status();
        if (row->empty()) break;
        rows.push_back((*row)[0].is_null() ? "null" : Hex((*row)[0].bytes()));
      }
    }
    EXPECT_TRUE(parser.done());
    EXPECT_THAT(rows, testing::ElementsAre("0000000000000007", "null")) << "chunks of " << chunk;
  }
}

TEST(CopyParser, IsNotDoneWithoutTheTrailer) {
  CopyParser parser(1);
  parser.Feed(TwoRows().substr(0, TwoRows().size() - 2));
  ASSERT_TRUE(parser.Next().ok());
  ASSERT_TRUE(parser.Next().ok());
  EXPECT_TRUE(parser.Next()->empty());
  EXPECT_FALSE(parser.done());
}

TEST(CopyParser, RefusesWhatIsNoSuchStream) {
  CopyParser other_columns(2);
  other_columns.Feed(TwoRows());
  EXPECT_FALSE(other_columns.Next().ok());
  CopyParser text(1);
  text.Feed("1\t2\n3\t4\n5\t6\n7\t8\n9\t10\n");
  EXPECT_FALSE(text.Next().ok());
}

}  // namespace
}  // namespace weir::queue::store
