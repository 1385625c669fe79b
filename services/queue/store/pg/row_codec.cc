#include "services/queue/store/pg/row_codec.h"

#include <endian.h>

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace weir::queue::store {
namespace {

// Object ids of built-in types: fixed in every PostgreSQL (pg_type.dat).
constexpr PgOid kBool = 16;
constexpr PgOid kBytea = 17;
constexpr PgOid kInt8 = 20;
constexpr PgOid kInt2 = 21;
constexpr PgOid kInt4 = 23;
constexpr PgOid kText = 25;
constexpr PgOid kTimestamptz = 1184;
constexpr PgOid kUuid = 2950;

// timestamptz counts microseconds from here; its infinities are the ends of the range.
constexpr int64_t kEpoch2000Micros = 946'684'800'000'000;
constexpr int64_t kMinusInfinity = INT64_MIN;
constexpr int64_t kPlusInfinity = INT64_MAX;

constexpr absl::string_view kCopySignature("PGCOPY\n\377\r\n\0", 11);
constexpr int kUuidBytes = 16;

int64_t ToPgTime(absl::Time time) {
  if (time == absl::InfinitePast()) return kMinusInfinity;
  if (time == absl::InfiniteFuture()) return kPlusInfinity;
  return absl::ToUnixMicros(time) - kEpoch2000Micros;
}

absl::Time FromPgTime(int64_t time) {
  if (time == kMinusInfinity) return absl::InfinitePast();
  if (time == kPlusInfinity) return absl::InfiniteFuture();
  return absl::FromUnixMicros(time + kEpoch2000Micros);
}

// PostgreSQL sends numbers with the highest byte first.
uint16_t Load16(const char* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return be16toh(value);
}
uint32_t Load32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return be32toh(value);
}
uint64_t Load64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return be64toh(value);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 36 characters to 16 bytes; false if it is no UUID.
bool ParseUuid(absl::string_view text, char* out) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < 36;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return false;
      continue;
    }
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    *out++ = static_cast<char>(high << 4 | low);
    i += 2;
  }
  return true;
}

std::string FormatUuid(absl::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

// Appends big-endian values, each column with the header that a record wants: type and length.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void Raw16(int16_t value) { Raw(htobe16(static_cast<uint16_t>(value))); }
  void Raw32(uint32_t value) { Raw(htobe32(value)); }
  void Raw64(int64_t value) { Raw(htobe64(static_cast<uint64_t>(value))); }

  void Null(PgOid type) { Header(type, -1); }
  void Int64(int64_t value) {
    Header(kInt8, 8);
    Raw64(value);
  }
  void Int32(int32_t value) {
    Header(kInt4, 4);
    Raw32(static_cast<uint32_t>(value));
  }
  void Int16(int16_t value) {
    Header(kInt2, 2);
    Raw16(value);
  }
  void Bool(bool value) {
    Header(kBool, 1);
    out_.push_back(value ? 1 : 0);
  }
  void Time(absl::Time value) {
    Header(kTimestamptz, 8);
    Raw64(ToPgTime(value));
  }
  void Bytes(PgOid type, absl::string_view value) {
    Header(type, static_cast<int32_t>(value.size()));
    out_.append(value.data(), value.size());
  }
  void BytesOrNull(PgOid type, absl::string_view value) {
    if (value.empty()) {
      Null(type);
    } else {
      Bytes(type, value);
    }
  }
  void Transfer(const std::optional<core::TransferId>& transfer) {
    if (!transfer.has_value()) {
      Null(kInt8);
      Null(kInt8);
      return;
    }
    Int64(transfer->source_partition.value());
    Int64(transfer->source_seq.value());
  }
  void Uuid(absl::string_view text) {
    Header(kUuid, kUuidBytes);
    char bytes[kUuidBytes];
    WEIR_CHECK(ParseUuid(text, bytes), "a message id must be a UUID");
    out_.append(bytes, kUuidBytes);
  }

  // The header of a one-dimensional array without NULLs. An empty array has no dimension.
  void ArrayHeader(PgOid element, size_t size) {
    Raw32(size == 0 ? 0 : 1);
    Raw32(0);
    Raw32(element);
    if (size == 0) return;
    Raw32(static_cast<uint32_t>(size));
    Raw32(1);
  }

  // A record as an element of an array: its length is known at its end.
  size_t StartRecord(size_t columns) {
    Raw32(0);
    const size_t start = out_.size();
    Raw32(static_cast<uint32_t>(columns));
    return start;
  }
  void EndRecord(size_t start) {
    const uint32_t length = htobe32(static_cast<uint32_t>(out_.size() - start));
    std::memcpy(&out_[start - 4], &length, sizeof(length));
  }

 private:
  template <typename T>
  void Raw(T big_endian) {
    out_.append(reinterpret_cast<const char*>(&big_endian), sizeof(big_endian));
  }
  void Header(PgOid type, int32_t length) {
    Raw32(type);
    Raw32(static_cast<uint32_t>(length));
  }

  std::string& out_;
};

void WriteMessage(Writer& out, const core::AppendMessage& row) {
  const size_t start = out.StartRecord(kAppendMessageColumnCount);
  const core::MessageMeta& meta = row.meta;
  out.Int64(row.log_no.value());
  out.Int64(row.partition.value());
  out.Int64(meta.seq.value());
  out.Time(meta.sent_at);
  out.Time(meta.visible_at);
  if (meta.first_received_at.has_value()) {
    out.Time(*meta.first_received_at);
  } else {
    out.Null(kTimestamptz);
  }
  out.Transfer(meta.transfer);
  out.Int32(meta.receive_count);
  out.Bool(meta.in_flight);
  const core::MessageContent& content = *row.content;
  out.Uuid(content.message_id);
  out.BytesOrNull(kText, content.message_group_id);
  out.BytesOrNull(kText, content.deduplication_id);
  out.BytesOrNull(kText, content.dead_letter_source_arn);
  out.BytesOrNull(kBytea, content.attributes);
  out.Bytes(kText, content.body);
  out.BytesOrNull(kText, row.consumer);
  out.EndRecord(start);
}

void WriteEvent(Writer& out, const core::AppendEvent& row) {
  const size_t start = out.StartRecord(kEventColumnCount);
  out.Int64(row.log_no.value());
  out.Int64(row.partition.value());
  out.Int64(row.seq.value());
  out.Time(row.at);
  if (row.visible_at == absl::InfinitePast()) {
    out.Null(kTimestamptz);
  } else {
    out.Time(row.visible_at);
  }
  out.Int32(row.receive_count);
  out.Int16(static_cast<int16_t>(row.kind));
  out.Transfer(row.transfer);
  out.BytesOrNull(kText, row.consumer);
  out.EndRecord(start);
}

absl::Status UnexpectedRow(absl::string_view what) {
  return MakeError(ErrorReason::kInternal,
                   absl::StrCat("The store answered with a row of another form than expected: ",
                                what, "."));
}

bool HasLength(const PgField& field, int length) { return field.length == length; }

// The numbers of a row that has the right lengths; checked once for the whole row.
int64_t Int64At(absl::Span<const PgField> fields, size_t i) {
  return static_cast<int64_t>(Load64(fields[i].data));
}
int32_t Int32At(absl::Span<const PgField> fields, size_t i) {
  return static_cast<int32_t>(Load32(fields[i].data));
}
absl::Time TimeAt(absl::Span<const PgField> fields, size_t i) {
  return FromPgTime(Int64At(fields, i));
}
std::string StringAt(absl::Span<const PgField> fields, size_t i) {
  return fields[i].is_null() ? std::string() : std::string(fields[i].bytes());
}

std::optional<core::TransferId> TransferAt(absl::Span<const PgField> fields, size_t i) {
  if (fields[i].is_null()) return std::nullopt;
  return core::TransferId{core::PartitionId(Int64At(fields, i)),
                          core::MessageSeq(Int64At(fields, i + 1))};
}

bool IsInt64OrNull(const PgField& field) { return field.is_null() || HasLength(field, 8); }

bool LooksLikeEvent(absl::Span<const PgField> f) {
  return f.size() == kEventColumnCount && HasLength(f[0], 8) && HasLength(f[1], 8) &&
         HasLength(f[2], 8) && HasLength(f[3], 8) && IsInt64OrNull(f[4]) && HasLength(f[5], 4) &&
         HasLength(f[6], 2) && IsInt64OrNull(f[7]) && f[8].length == f[7].length;
}

// The columns up to the message id.
constexpr size_t kMessageIdColumn = 10;

bool LooksLikeMeta(absl::Span<const PgField> f) {
  return f.size() > kMessageIdColumn && HasLength(f[0], 8) && HasLength(f[1], 8) &&
         HasLength(f[2], 8) && HasLength(f[3], 8) && HasLength(f[4], 8) && IsInt64OrNull(f[5]) &&
         IsInt64OrNull(f[6]) && f[7].length == f[6].length && HasLength(f[8], 4) &&
         HasLength(f[9], 1);
}

StoredMessage MetaFrom(absl::Span<const PgField> f, core::SegmentNo segment) {
  StoredMessage message;
  message.log_no = core::LogNo(Int64At(f, 0));
  message.partition = core::PartitionId(Int64At(f, 1));
  core::MessageMeta& meta = message.meta;
  meta.seq = core::MessageSeq(Int64At(f, 2));
  meta.segment = segment;
  meta.sent_at = TimeAt(f, 3);
  meta.visible_at = TimeAt(f, 4);
  if (!f[5].is_null()) meta.first_received_at = TimeAt(f, 5);
  meta.transfer = TransferAt(f, 6);
  meta.receive_count = Int32At(f, 8);
  meta.in_flight = *f[9].data != 0;
  meta.message_group_id = StringAt(f, 11);
  return message;
}

}  // namespace

void EncodeMessages(PgOid row_type, absl::Span<const core::AppendMessage> rows, std::string& out) {
  out.clear();
  Writer writer(out);
  writer.ArrayHeader(row_type, rows.size());
  for (const core::AppendMessage& row : rows) WriteMessage(writer, row);
}

void EncodeEvents(PgOid row_type, absl::Span<const core::AppendEvent> rows, std::string& out) {
  out.clear();
  Writer writer(out);
  writer.ArrayHeader(row_type, rows.size());
  for (const core::AppendEvent& row : rows) WriteEvent(writer, row);
}

std::string EncodeInt64(int64_t value) {
  std::string out;
  Writer(out).Raw64(value);
  return out;
}

std::string EncodeInt64Array(absl::Span<const int64_t> values) {
  std::string out;
  Writer writer(out);
  writer.ArrayHeader(kInt8, values.size());
  for (const int64_t value : values) {
    writer.Raw32(8);
    writer.Raw64(value);
  }
  return out;
}

absl::StatusOr<int64_t> DecodeInt64(const PgField& field) {
  if (!HasLength(field, 8)) return UnexpectedRow("no bigint");
  return Int64At(absl::MakeConstSpan(&field, 1), 0);
}

absl::StatusOr<absl::Time> DecodeTime(const PgField& field) {
  WEIR_ASSIGN_OR_RETURN(const int64_t time, DecodeInt64(field));
  return FromPgTime(time);
}

absl::StatusOr<core::AppendEvent> DecodeEvent(absl::Span<const PgField> f) {
  if (!LooksLikeEvent(f)) return UnexpectedRow("no event");
  core::AppendEvent event;
  event.log_no = core::LogNo(Int64At(f, 0));
  event.partition = core::PartitionId(Int64At(f, 1));
  event.seq = core::MessageSeq(Int64At(f, 2));
  event.at = TimeAt(f, 3);
  event.visible_at = f[4].is_null() ? absl::InfinitePast() : TimeAt(f, 4);
  event.receive_count = Int32At(f, 5);
  event.kind =
      static_cast<core::EventKind>(static_cast<int16_t>(Load16(f[6].data)));
  event.transfer = TransferAt(f, 7);
  event.consumer = StringAt(f, 9);
  return event;
}

absl::StatusOr<StoredMessage> DecodeMeta(absl::Span<const PgField> f, core::SegmentNo segment) {
  if (f.size() != kMetaColumnCount || !LooksLikeMeta(f) ||
      (!f[12].is_null() && !HasLength(f[kMessageIdColumn], kUuidBytes))) {
    return UnexpectedRow("no message");
  }
  StoredMessage message = MetaFrom(f, segment);
  if (!f[12].is_null()) {
    message.meta.deduplication = std::make_shared<const core::DeduplicationMeta>(
        core::DeduplicationMeta{StringAt(f, 12), FormatUuid(f[kMessageIdColumn].bytes())});
  }
  return message;
}

absl::StatusOr<StoredMessage> DecodeMessage(absl::Span<const PgField> f, core::SegmentNo segment) {
  if (f.size() != kMessageColumnCount || !LooksLikeMeta(f) ||
      !HasLength(f[kMessageIdColumn], kUuidBytes) || f[15].is_null()) {
    return UnexpectedRow("no message");
  }
  StoredMessage message = MetaFrom(f, segment);
  auto content = std::make_shared<core::MessageContent>();
  content->message_id = FormatUuid(f[10].bytes());
  content->message_group_id = StringAt(f, 11);
  content->deduplication_id = StringAt(f, 12);
  content->dead_letter_source_arn = StringAt(f, 13);
  content->attributes = StringAt(f, 14);
  content->body = StringAt(f, 15);
  message.content = std::move(content);
  return message;
}

void CopyParser::Feed(absl::string_view chunk) {
  buffer_.erase(0, position_);
  position_ = 0;
  buffer_.append(chunk.data(), chunk.size());
}

absl::StatusOr<absl::Span<const PgField>> CopyParser::Next() {
  const absl::Span<const PgField> none;
  size_t at = position_;
  const auto has = [&](size_t bytes) { return buffer_.size() - at >= bytes; };
  if (!header_seen_) {
    // Signature, flags, and the length of an extension that is always 0.
    const size_t header_bytes = kCopySignature.size() + 8;
    if (!has(header_bytes)) return none;
    if (std::memcmp(buffer_.data(), kCopySignature.data(), kCopySignature.size()) != 0) {
      return UnexpectedRow("no COPY signature");
    }
    at = position_ = header_bytes;
    header_seen_ = true;
  }
  if (done_ || !has(2)) return none;
  const auto columns = static_cast<int16_t>(Load16(&buffer_[at]));
  at += 2;
  if (columns == -1) {
    done_ = true;
    position_ = at;
    return none;
  }
  if (columns != static_cast<int16_t>(fields_.size())) return UnexpectedRow("number of columns");
  for (PgField& field : fields_) {
    if (!has(4)) return none;
    field.length = static_cast<int32_t>(Load32(&buffer_[at]));
    at += 4;
    field.data = buffer_.data() + at;
    if (field.is_null()) continue;
    if (!has(static_cast<size_t>(field.length))) return none;
    at += static_cast<size_t>(field.length);
  }
  position_ = at;
  return absl::MakeConstSpan(fields_);
}

}  // namespace weir::queue::store
