#include "services/gateway/auth/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/check.h"
#include "services/gateway/wire/form.h"

namespace weir::gateway::auth {
namespace {

using wire::AwsError;
using wire::Parameters;
using Digest = std::array<unsigned char, 32>;

constexpr absl::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr absl::string_view kAlgorithmFamily = "AWS4-";
constexpr absl::string_view kTerminator = "aws4_request";
constexpr absl::string_view kBasicFormat = "%E4Y%m%dT%H%M%SZ";
// More than keys in use times days, regions and services that meet at once; then they are made anew.
constexpr size_t kSigningKeysMax = 4096;

// Codes and words are AWS's. SQS answers all of them with the same status in both protocols.
AwsError MissingToken() {
  return wire::CommonError("MissingAuthenticationToken", "MissingAuthenticationTokenException", 403,
                           "Request is missing Authentication Token");
}
AwsError Incomplete(absl::string_view message) {
  return wire::CommonError("IncompleteSignature", "IncompleteSignatureException", 400, message);
}
AwsError InvalidToken() {
  return wire::CommonError("InvalidClientTokenId", "UnrecognizedClientException", 403,
                           "The security token included in the request is invalid.");
}
AwsError Mismatch(absl::string_view message) {
  return wire::CommonError("SignatureDoesNotMatch", "InvalidSignatureException", 403, message);
}
AwsError UnsupportedAlgorithm(absl::string_view algorithm) {
  return Incomplete(absl::StrCat("Unsupported AWS 'algorithm': '", absl::CHexEscape(algorithm), "'."));
}
constexpr absl::string_view kWrongSignature =
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details.";
AwsError WrongSignature() { return Mismatch(kWrongSignature); }

// With what should have been signed: it tells who writes a client what is different, and nobody anything that was not in the request.
AwsError WrongSignature(absl::string_view canonical, absl::string_view to_sign) {
  if (!wire::IsUtf8(canonical) || !wire::IsUtf8(to_sign)) return WrongSignature();
  return Mismatch(absl::StrCat(kWrongSignature, "\n\nThe Canonical String for this request should have been\n'", canonical,
                               "'\n\nThe String-to-Sign should have been\n'", to_sign, "'\n"));
}

std::string Hex(const Digest& digest) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

Digest Sha256(absl::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

Digest Hmac(absl::string_view key, absl::string_view text) {
  Digest digest;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), nullptr);
  WEIR_CHECK(made != nullptr, "HMAC-SHA256");
  return digest;
}

Digest Hmac(const Digest& key, absl::string_view text) {
  return Hmac(absl::string_view(reinterpret_cast<const char*>(key.data()), key.size()), text);
}

// What the signature says of itself, the same for both places where it may stand.
struct Signature {
  bool in_query = false;
  std::string credential;
  std::string signed_headers;
  std::string signature;
  std::string date;  // as it was sent
  absl::Duration good_for = kClockSkewMax;
};

struct Scope {
  std::string access_key;
  std::string date;
  std::string region;
  std::string service;
  std::string text;  // "20260131/us-east-1/sqs/aws4_request"
};

// As AWS shows a header that it could not read: who sent it can compare, and nobody learns it from a log.
std::string Hashed(absl::string_view header) {
  const Digest digest = Sha256(header);
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

std::variant<Signature, AwsError> FromHeader(const http::Request& request, const absl::string_view whole_header) {
  Signature out;
  absl::string_view header = whole_header;
  const absl::string_view algorithm = header.substr(0, header.find_first_of(" \t"));
  if (!absl::StartsWith(algorithm, kAlgorithmFamily)) return MissingToken();
  if (algorithm != kAlgorithm) return UnsupportedAlgorithm(algorithm);
  header.remove_prefix(algorithm.size());
  for (absl::string_view part : absl::StrSplit(header, ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty()) continue;
    const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (!absl::StrContains(part, '=')) {
      return Incomplete(absl::StrCat("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and "
                                     "encoded with Base64): '", Hashed(whole_header), "'."));
    }
    if (pair.first == "Credential") out.credential = std::string(pair.second);
    if (pair.first == "SignedHeaders") out.signed_headers = std::string(pair.second);
    if (pair.first == "Signature") out.signature = std::string(pair.second);
  }
  out.date = std::string(request.Header("X-Amz-Date"));
  if (out.date.empty()) out.date = std::string(request.Header("Date"));
  std::vector<absl::string_view> missing;
  if (out.credential.empty()) missing.push_back("Authorization header requires 'Credential' parameter.");
  if (out.signature.empty()) missing.push_back("Authorization header requires 'Signature' parameter.");
  if (out.signed_headers.empty()) missing.push_back("Authorization header requires 'SignedHeaders' parameter.");
  if (out.date.empty()) {
    missing.push_back("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
  }
  if (!missing.empty()) {
    return Incomplete(absl::StrCat(absl::StrJoin(missing, " "), " (Hashed with SHA-256 and encoded with Base64) Authorization=",
                                   Hashed(whole_header)));
  }
  return out;
}

std::variant<Signature, AwsError> FromQuery(const Parameters& parameters) {
  std::vector<std::string> missing;
  const auto find = [&](absl::string_view name) {
    const absl::string_view value = wire::Find(parameters, name);
    if (value.empty()) missing.push_back(absl::StrCat("AWS query-string parameters must include '", name, "'."));
    return std::string(value);
  };
  const std::string algorithm = find("X-Amz-Algorithm");
  Signature out = {.in_query = true,
                   .credential = find("X-Amz-Credential"),
                   .signed_headers = find("X-Amz-SignedHeaders"),
                   .signature = find("X-Amz-Signature"),
                   .date = find("X-Amz-Date")};
  if (!missing.empty()) {
    return Incomplete(absl::StrCat(absl::StrJoin(missing, " "), " Re-examine the query-string parameters."));
  }
  if (algorithm != kAlgorithm) return UnsupportedAlgorithm(algorithm);
  const absl::string_view expires = wire::Find(parameters, "X-Amz-Expires");
  if (expires.empty()) return out;
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(expires, &seconds) || seconds < 1 || seconds > kExpiresSecondsMax) {
    return Incomplete(absl::StrCat("X-Amz-Expires must be a number of seconds between 1 and ", kExpiresSecondsMax, "."));
  }
  out.good_for = absl::Seconds(seconds);
  return out;
}

std::variant<Scope, AwsError> ParseScope(const std::string& credential) {
  const std::vector<std::string> parts = absl::StrSplit(credential, '/');
  if (parts.size() != 5) {
    return Incomplete(absl::StrCat("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '",
                                   absl::CHexEscape(credential), "'"));
  }
  if (parts[4] != kTerminator) {
    return Mismatch(absl::StrCat("Credential should be scoped with a valid terminator: '", kTerminator, "', not '",
                                 absl::CHexEscape(parts[4]), "'."));
  }
  if (parts[2].empty()) return Mismatch("Credential should be scoped to a valid region.");
  return Scope{.access_key = parts[0],
               .date = parts[1],
               .region = parts[2],
               .service = parts[3],
               .text = absl::StrCat(parts[1], "/", parts[2], "/", parts[3], "/", parts[4])};
}

// "20260131T120000Z", or what HTTP's Date header has.
std::optional<absl::Time> ParseDate(absl::string_view text) {
  absl::Time time;
  std::string error;
  const bool basic = text.size() == 16 && text[8] == 'T' && text[15] == 'Z' &&
                     absl::c_all_of(absl::StrCat(text.substr(0, 8), text.substr(9, 6)), absl::ascii_isdigit);
  const absl::string_view format = basic ? kBasicFormat : absl::string_view("%a, %d %b %E4Y %H:%M:%S GMT");
  if (!absl::ParseTime(format, text, &time, &error)) return std::nullopt;
  return time;
}

std::string Basic(absl::Time time) { return absl::FormatTime(kBasicFormat, time, absl::UTCTimeZone()); }

std::string Shown(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  return seconds % 60 == 0 ? absl::StrCat(seconds / 60, " min.") : absl::StrCat(seconds, " sec.");
}

std::optional<AwsError> CheckTime(absl::Time signed_at, absl::Duration good_for, absl::Time now) {
  if (signed_at < now - good_for) {
    return Mismatch(absl::StrCat("Signature expired: ", Basic(signed_at), " is now earlier than ", Basic(now - good_for), " (",
                                 Basic(now), " - ", Shown(good_for), ")"));
  }
  if (signed_at > now + kClockSkewMax) {
    return Mismatch(absl::StrCat("Signature not yet current: ", Basic(signed_at), " is still later than ",
                                 Basic(now + kClockSkewMax), " (", Basic(now), " + ", Shown(kClockSkewMax), ")"));
  }
  return std::nullopt;
}

std::string EncodeUri(absl::string_view text, bool keep_slash) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/')) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

// As it was sent, without empty and dot segments, encoded once more: so for all services but S3.
std::string CanonicalPath(absl::string_view path) {
  std::vector<absl::string_view> kept;
  for (const absl::string_view segment : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (segment == ".") continue;
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(segment);
    }
  }
  std::string normal = absl::StrCat("/", absl::StrJoin(kept, "/"));
  const bool is_folder = absl::EndsWith(path, "/") || absl::EndsWith(path, "/.") || absl::EndsWith(path, "/..");
  if (is_folder && !kept.empty()) normal.push_back('/');
  return EncodeUri(normal, true);
}

// From the parameters as they are understood later ('+' is a space), so that nothing that means something else has the same signature.
std::string CanonicalQuery(const Parameters& parameters, bool in_query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : parameters) {
    if (in_query && name == "X-Amz-Signature") continue;
    encoded.emplace_back(EncodeUri(name, false), EncodeUri(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  return absl::StrJoin(encoded, "&", absl::PairFormatter("="));
}

// Of all headers of that name, in their order; nothing: there is none. `name` in lower case.
std::optional<std::string> CanonicalValue(const http::Request& request, absl::string_view name) {
  std::optional<std::string> joined;
  for (const auto& [key, value] : request.headers) {
    if (!absl::EqualsIgnoreCase(key, name)) continue;
    std::string collapsed = value;
    absl::RemoveExtraAsciiWhitespace(&collapsed);
    joined = joined.has_value() ? absl::StrCat(*joined, ",", collapsed) : collapsed;
  }
  return joined;
}

std::variant<std::string, AwsError> CanonicalHeaders(const http::Request& request, const Signature& signature) {
  const std::vector<std::string> names = absl::StrSplit(signature.signed_headers, ';');
  const auto is_signed = [&](absl::string_view name) { return absl::c_linear_search(names, name); };
  if (!is_signed("host")) return Mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  // It says which operation is meant, so it must not be anybody else's.
  if (!request.Header("X-Amz-Target").empty() && !is_signed("x-amz-target")) {
    return Mismatch("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.");
  }
  std::string out;
  for (const std::string& name : names) {
    const std::optional<std::string> value = CanonicalValue(request, name);
    if (!value.has_value()) return WrongSignature();
    absl::StrAppend(&out, name, ":", *value, "\n");
  }
  return out;
}

bool Equal(absl::string_view expected, absl::string_view given) {
  return expected.size() == given.size() && CRYPTO_memcmp(expected.data(), given.data(), expected.size()) == 0;
}

}  // namespace

std::variant<Identity, AwsError> SigV4Verifier::Verify(const http::Request& request, const Parameters& query, absl::Time now) {
  const absl::string_view authorization = request.Header("Authorization");
  const bool presigned = absl::c_any_of(query, [](const auto& parameter) {
    return parameter.first == "X-Amz-Algorithm" || parameter.first == "X-Amz-Signature" || parameter.first == "X-Amz-Credential";
  });
  if (authorization.empty() && !presigned) return MissingToken();
  if (!authorization.empty() && !wire::Find(query, "X-Amz-Algorithm").empty()) {
    return Mismatch("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
  }
  auto parsed = authorization.empty() ? FromQuery(query) : FromHeader(request, authorization);
  if (auto* error = std::get_if<AwsError>(&parsed)) return std::move(*error);
  const Signature& signature = std::get<Signature>(parsed);
  auto parsed_scope = ParseScope(signature.credential);
  if (auto* error = std::get_if<AwsError>(&parsed_scope)) return std::move(*error);
  const Scope& scope = std::get<Scope>(parsed_scope);

  if (!absl::c_linear_search(services_, scope.service)) {
    return Mismatch(absl::StrCat("Credential should be scoped to correct service: '", absl::StrJoin(services_, "' or '"), "'."));
  }
  const std::optional<absl::Time> signed_at = ParseDate(signature.date);
  if (!signed_at.has_value()) {
    return Incomplete(absl::StrCat("Date must be in ISO-8601 'basic format'. Got '", absl::CHexEscape(signature.date),
                                   "'. See http://en.wikipedia.org/wiki/ISO_8601"));
  }
  const std::string date = Basic(*signed_at);
  if (scope.date != date.substr(0, 8)) {
    return Mismatch(absl::StrCat("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '",
                                 absl::CHexEscape(scope.date), "' != '", date.substr(0, 8), "', from '", date, "'."));
  }
  const std::optional<AccessKey> key = keys_.Find(scope.access_key);
  // There are no temporary credentials, so a session's token is nobody's.
  const bool has_session = !request.Header("X-Amz-Security-Token").empty() ||
                           !wire::Find(query, "X-Amz-Security-Token").empty();
  if (!key.has_value() || key->disabled || has_session) return InvalidToken();
  if (auto error = CheckTime(*signed_at, signature.good_for, now)) return *std::move(error);

  const std::string payload_hash = Hex(Sha256(request.body));
  const absl::string_view claimed_hash = request.Header("X-Amz-Content-Sha256");
  if (!claimed_hash.empty() && claimed_hash != payload_hash) {
    return Mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.");
  }
  auto headers = CanonicalHeaders(request, signature);
  if (auto* error = std::get_if<AwsError>(&headers)) return std::move(*error);
  const std::string canonical =
      absl::StrCat(request.method, "\n", CanonicalPath(request.path()), "\n", CanonicalQuery(query, signature.in_query), "\n",
                   std::get<std::string>(headers), "\n", signature.signed_headers, "\n", payload_hash);
  const std::string to_sign = absl::StrCat(kAlgorithm, "\n", date, "\n", scope.text, "\n", Hex(Sha256(canonical)));

  const std::string cached_as = absl::StrCat(key->id, "/", scope.text);
  std::optional<Digest> signing_key;
  {
    MutexLock lock(&mutex_);
    const auto found = signing_keys_.find(cached_as);
    if (found != signing_keys_.end() && found->second.secret == key->secret) signing_key = found->second.key;
  }
  const bool is_new = !signing_key.has_value();
  if (is_new) {
    const Digest of_date = Hmac(absl::StrCat("AWS4", key->secret), scope.date);
    signing_key = Hmac(Hmac(Hmac(of_date, scope.region), scope.service), kTerminator);
  }
  if (!Equal(Hex(Hmac(*signing_key, to_sign)), signature.signature)) return WrongSignature(canonical, to_sign);
  if (is_new) {
    MutexLock lock(&mutex_);
    if (signing_keys_.size() >= kSigningKeysMax) signing_keys_.clear();
    signing_keys_.insert_or_assign(cached_as, SigningKey{.secret = key->secret, .key = *signing_key});
  }
  return Identity{.access_key = key->id, .account = key->account, .region = scope.region, .service = scope.service};
}

}  // namespace weir::gateway::auth
