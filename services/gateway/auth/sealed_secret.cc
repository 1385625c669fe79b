#include "services/gateway/auth/sealed_secret.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace weir::gateway::auth {
namespace {

constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* cipher) const { EVP_CIPHER_CTX_free(cipher); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(absl::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

absl::StatusOr<MasterKey> MakeMasterKey() {
  MasterKey key;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) {
    return absl::InternalError("The system's random generator gives nothing.");
  }
  return key;
}

std::string FormatMasterKey(const MasterKey& key) {
  const absl::string_view bytes(reinterpret_cast<const char*>(key.data()), key.size());
  return absl::StrCat(absl::BytesToHexString(bytes), "\n");
}

absl::StatusOr<MasterKey> ParseMasterKey(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  MasterKey key;
  if (text.size() != 2 * key.size() || !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(absl::StrCat("a master key is ", 2 * key.size(), " hexadecimal digits"));
  }
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

absl::StatusOr<std::string> Seal(const MasterKey& key, absl::string_view secret, absl::string_view context) {
  std::string sealed(kNonceSize + secret.size() + kTagSize, '\0');
  unsigned char* const nonce = Bytes(sealed);
  unsigned char* const body = nonce + kNonceSize;
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  if (cipher == nullptr || RAND_bytes(nonce, kNonceSize) != 1 ||
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &written, Bytes(context), static_cast<int>(context.size())) != 1 ||
      EVP_EncryptUpdate(cipher.get(), body, &written, Bytes(secret), static_cast<int>(secret.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), body + written, &written) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, body + secret.size()) != 1) {
    return absl::InternalError("OpenSSL cannot encrypt with AES-256-GCM.");
  }
  return absl::Base64Escape(sealed);
}

absl::StatusOr<std::string> Unseal(const MasterKey& key, absl::string_view sealed, absl::string_view context) {
  std::string bytes;
  if (!absl::Base64Unescape(sealed, &bytes) || bytes.size() < kNonceSize + kTagSize) {
    return absl::InvalidArgumentError("it is not a sealed secret in base64");
  }
  std::string secret(bytes.size() - kNonceSize - kTagSize, '\0');
  unsigned char* const nonce = Bytes(bytes);
  unsigned char* const tag = Bytes(bytes) + kNonceSize + secret.size();
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  if (cipher == nullptr || EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &written, Bytes(context), static_cast<int>(context.size())) != 1 ||
      EVP_DecryptUpdate(cipher.get(), Bytes(secret), &written, nonce + kNonceSize, static_cast<int>(secret.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag) != 1) {
    return absl::InternalError("OpenSSL cannot decrypt with AES-256-GCM.");
  }
  if (EVP_DecryptFinal_ex(cipher.get(), Bytes(secret) + written, &written) != 1) {
    return absl::PermissionDeniedError("it was sealed with another master key, or has been altered");
  }
  return secret;
}

}  // namespace weir::gateway::auth
