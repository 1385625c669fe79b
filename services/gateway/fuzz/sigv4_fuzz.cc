// Signatures: the header Authorization, the query of presigned URLs, and what is made canonical of a request. An input is a request:
// METHOD TARGET, headers, an empty line, the body; lines end in LF.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/gateway/auth/sigv4.h"
#include "services/gateway/fuzz/operations.h"
#include "services/gateway/wire/form.h"
#include "services/gateway/wire/query_protocol.h"

namespace weir::gateway {
namespace {

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const absl::Time kNow = absl::FromUnixSeconds(1440938160);  // 2015-08-30T12:36:00Z, as AWS's examples have it

class OneKey final : public auth::KeySource {
 public:
  std::optional<auth::AccessKey> Find(absl::string_view id) override {
    if (id != "AKIDEXAMPLE") return std::nullopt;
    return auth::AccessKey{.id = "AKIDEXAMPLE", .secret = kSecret, .account = "111122223333"};
  }
};

http::Request RequestOf(absl::string_view text) {
  http::Request request;
  const size_t head_end = text.find("\n\n");
  if (head_end != absl::string_view::npos) request.body = std::string(text.substr(head_end + 2));
  const std::vector<absl::string_view> lines = absl::StrSplit(text.substr(0, head_end), '\n');
  const std::pair<absl::string_view, absl::string_view> first = absl::StrSplit(lines[0], absl::MaxSplits(' ', 1));
  request.method = std::string(first.first);
  request.target = std::string(first.second);
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> header = absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    request.headers.emplace_back(std::string(header.first), std::string(absl::StripAsciiWhitespace(header.second)));
  }
  return request;
}

std::string Hmac(const std::string& key, const std::string& text) {
  std::array<unsigned char, 32> digest;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       digest.data(), nullptr);
  return std::string(digest.begin(), digest.end());
}

// The signature that a refusal says was expected; nothing if it does not.
std::optional<std::string> ExpectedSignature(const std::string& message) {
  constexpr absl::string_view kBefore = "\n\nThe String-to-Sign should have been\n'";
  const size_t begin = message.find(std::string(kBefore));
  // A credential in a query may say the same words.
  if (begin == std::string::npos || message.rfind(std::string(kBefore)) != begin) return std::nullopt;
  const std::string to_sign = message.substr(begin + kBefore.size(), message.size() - begin - kBefore.size() - 2);
  // Algorithm, time, scope, hash; the scope may have lines of its own.
  const std::vector<std::string> lines = absl::StrSplit(to_sign, '\n');
  fuzz::Require(lines.size() >= 4, "a string to sign has four lines");
  const std::vector<std::string> scope = absl::StrSplit(absl::StrJoin(lines.begin() + 2, lines.end() - 1, "\n"), '/');
  std::string key = absl::StrCat("AWS4", kSecret);
  for (const std::string& part : scope) key = Hmac(key, part);
  return absl::BytesToHexString(Hmac(key, to_sign));
}

// The request with that signature instead of its own.
http::Request Signed(http::Request request, const std::string& signature) {
  if (request.Header("Authorization").empty()) {
    request.target.insert(request.target.find('?') + 1, absl::StrCat("X-Amz-Signature=", signature, "&"));
    return request;
  }
  for (auto& [name, value] : request.headers) {
    if (!absl::EqualsIgnoreCase(name, "Authorization")) continue;
    // The last of several counts, of the first header.
    absl::StrAppend(&value, ", Signature=", signature);
    break;
  }
  return request;
}

// Then there is no right one.
bool SignsItsOwnSignature(const http::Request& request) {
  return absl::StrContains(absl::AsciiStrToLower(absl::StrCat(request.Header("Authorization"), request.target)), "authorization");
}

void Check(const http::Request& request) {
  OneKey keys;
  auth::SigV4Verifier verifier(keys, {"service", "sqs"});
  const auto verify = [&](const http::Request& signed_request) {
    return verifier.Verify(signed_request, wire::ParseForm(signed_request.query()), kNow);
  };
  const auto outcome = verify(request);
  const auto* error = std::get_if<wire::AwsError>(&outcome);
  if (error == nullptr) {
    const auto& identity = std::get<auth::Identity>(outcome);
    fuzz::Require(identity.access_key == "AKIDEXAMPLE" && identity.account == "111122223333", "the identity is the key's");
    http::Request other = request;
    other.body += "x";
    fuzz::Require(!std::holds_alternative<auth::Identity>(verify(other)), "a signature is of one body");
    other = request;
    other.method += "X";
    fuzz::Require(!std::holds_alternative<auth::Identity>(verify(other)), "a signature is of one method");
    return;
  }
  fuzz::RequireReadable(*error, sqs::shapes::kId);
  fuzz::Require(wire::IsUtf8(wire::FormatXmlError(*error, "fuzz", "id")), "XML is UTF-8");
  const std::optional<std::string> signature = ExpectedSignature(error->message);
  if (!signature.has_value() || SignsItsOwnSignature(request)) return;
  fuzz::Require(std::holds_alternative<auth::Identity>(verify(Signed(request, *signature))),
                "what is signed as a refusal says is taken");
}

}  // namespace
}  // namespace weir::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::gateway;
  Check(RequestOf(absl::string_view(reinterpret_cast<const char*>(data), size)));
  return 0;
}
