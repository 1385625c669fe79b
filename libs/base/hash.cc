#include "libs/base/hash.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "libs/base/check.h"

namespace weir {
namespace {

std::string Digest(const EVP_MD* type, absl::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  WEIR_CHECK(EVP_Digest(data.data(), data.size(), out, &size, type, nullptr) == 1);
  return std::string(reinterpret_cast<const char*>(out), size);
}

}  // namespace

std::string Md5Hex(absl::string_view data) {
  // Fetched once: EVP_md5() would look the provider up on every call.
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  return absl::BytesToHexString(Digest(md5, data));
}

std::string Sha256Hex(absl::string_view data) {
  return absl::BytesToHexString(Digest(EVP_sha256(), data));
}

std::string Sha256Base64(absl::string_view data) {
  return absl::Base64Escape(Digest(EVP_sha256(), data));
}

uint64_t StableHash(absl::string_view data) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

uint64_t MixBits(uint64_t hash) {
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

}  // namespace weir
