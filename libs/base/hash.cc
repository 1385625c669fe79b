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

}  // namespace weir
