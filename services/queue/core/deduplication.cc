#include "services/queue/core/deduplication.h"

#include "libs/base/check.h"

namespace weir::queue::core {
namespace {

using Uint128 = unsigned __int128;

// FNV-1a with 128 bits.
constexpr Uint128 kOffset = (Uint128{0x6c62272e07bb0142} << 64) | 0x62b821756295c58d;
constexpr Uint128 kPrime = (Uint128{1} << 88) | 0x13b;

Uint128 HashOn(Uint128 hash, absl::string_view data) {
  for (const char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  return hash;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsDash(size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

DeduplicationKey KeyOf(DeduplicationScope scope, absl::string_view group, absl::string_view id) {
  Uint128 hash = kOffset;
  // No id and no group has a zero byte, so what is hashed says where the group ends.
  if (scope == DeduplicationScope::kMessageGroup) {
    hash = HashOn(HashOn(hash, group), absl::string_view("\0", 1));
  }
  hash = HashOn(hash, id);
  return {static_cast<uint64_t>(hash >> 64), static_cast<uint64_t>(hash)};
}

MessageIdBytes PackMessageId(absl::string_view message_id) {
  WEIR_CHECK(message_id.size() == 36, "a message id must be a UUID");
  MessageIdBytes bytes{};
  size_t at = 0;
  for (size_t i = 0; i < message_id.size();) {
    if (IsDash(i)) {
      WEIR_CHECK(message_id[i] == '-', "a message id must be a UUID");
      ++i;
      continue;
    }
    const int high = HexDigit(message_id[i]);
    const int low = HexDigit(message_id[i + 1]);
    WEIR_CHECK(high >= 0 && low >= 0, "a message id must be a UUID");
    bytes[at++] = static_cast<uint8_t>(high << 4 | low);
    i += 2;
  }
  return bytes;
}

std::string UnpackMessageId(const MessageIdBytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (const uint8_t byte : bytes) {
    if (IsDash(text.size())) text.push_back('-');
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

const Deduplication::Entry* Deduplication::Find(const DeduplicationKey& key, Instant now) const {
  const auto it = entries_.find(key);
  return it == entries_.end() || it->second.until <= now ? nullptr : &it->second;
}

std::optional<Deduplication::Entry> Deduplication::Remember(const DeduplicationKey& key,
                                                            const Entry& entry) {
  std::optional<Entry> replaced;
  const auto [it, inserted] = entries_.emplace(key, entry);
  if (!inserted) {
    replaced = it->second;
    it->second = entry;
  }
  order_.PushBack({entry.until, key, entry.seq});
  return replaced;
}

std::optional<Deduplication::Entry> Deduplication::ForgetOne(Instant now) {
  while (!order_.empty() && order_.front().until <= now) {
    const End end = order_.front();
    order_.PopFront();
    const auto it = entries_.find(end.key);
    if (it == entries_.end() || it->second.seq != end.seq) continue;
    const Entry entry = it->second;
    entries_.erase(it);
    return entry;
  }
  if (entries_.empty()) Clear();  // What a burst has left behind.
  return std::nullopt;
}

void Deduplication::Clear() {
  entries_ = {};
  order_.Clear();
}

}  // namespace weir::queue::core
