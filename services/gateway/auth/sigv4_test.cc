#include "services/gateway/auth/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace weir::gateway::auth {
namespace {

using testing::HasSubstr;
using wire::AwsError;

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const absl::Time kNow = absl::FromUnixSeconds(1440938160);  // 2015-08-30T12:36:00Z

class FakeKeys final : public KeySource {
 public:
  FakeKeys() {
    keys["AKIDEXAMPLE"] = {.id = "AKIDEXAMPLE", .secret = kSecret, .account = "111122223333"};
    keys["AKIDDISABLED"] = {.id = "AKIDDISABLED", .secret = kSecret, .account = "111122223333", .disabled = true};
  }
  std::optional<AccessKey> Find(absl::string_view id) override {
    const auto found = keys.find(std::string(id));
    if (found == keys.end()) return std::nullopt;
    return found->second;
  }
  std::map<std::string, AccessKey> keys;
};

std::string Authorization(const std::string& signed_headers, const std::string& signature) {
  return absl::StrCat("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=",
                      signed_headers, ", Signature=", signature);
}

// Of AWS's test suite for version 4. Its paths hold what HTTP would have escaped.
struct Vector {
  std::string name;
  std::string method;
  std::string target;
  http::Headers headers;  // without Host and X-Amz-Date
  std::string body;
  std::string signed_headers;
  std::string signature;
};

const std::vector<Vector>& Vectors() {
  static const auto* vectors = new std::vector<Vector>{
      {"get-vanilla", "GET", "/", {}, "", "host;x-amz-date",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", {}, "", "host;x-amz-date",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-order-value", "GET", "/?Param1=value2&Param1=value1", {}, "", "host;x-amz-date",
       "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
      {"get-vanilla-empty-query-key", "GET", "/?Param1=value1", {}, "", "host;x-amz-date",
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"get-vanilla-query-unreserved", "GET",
       "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
       "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
       {}, "", "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query", "GET", "/?\u1234=bar", {}, "", "host;x-amz-date",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", {}, "", "host;x-amz-date",
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8", "GET", "/\u1234", {}, "", "host;x-amz-date",
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space", "GET", "/example space/", {}, "", "host;x-amz-date",
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-slash", "GET", "//", {}, "", "host;x-amz-date",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-slashes", "GET", "//example//", {}, "", "host;x-amz-date",
       "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
      {"get-slash-dot-slash", "GET", "/./", {}, "", "host;x-amz-date",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-slash-pointless-dot", "GET", "/./example", {}, "", "host;x-amz-date",
       "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
      {"get-relative", "GET", "/example/..", {}, "", "host;x-amz-date",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-relative-relative", "GET", "/example1/example2/../..", {}, "", "host;x-amz-date",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-header-key-duplicate", "GET", "/",
       {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}, "", "host;my-header1;x-amz-date",
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-order", "GET", "/",
       {{"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"}, {"My-Header1", "value2"}}, "",
       "host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"get-header-value-trim", "GET", "/", {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}, "",
       "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"post-vanilla", "POST", "/", {}, "", "host;x-amz-date",
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-header-key-sort", "POST", "/", {{"My-Header1", "value1"}}, "", "host;my-header1;x-amz-date",
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
      {"post-header-value-case", "POST", "/", {{"My-Header1", "VALUE1"}}, "", "host;my-header1;x-amz-date",
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
      {"post-x-www-form-urlencoded", "POST", "/", {{"Content-Type", "application/x-www-form-urlencoded"}}, "Param1=value1",
       "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
  };
  return *vectors;
}

http::Request RequestOf(const Vector& vector) {
  http::Request request = {.method = vector.method, .target = vector.target, .headers = vector.headers, .body = vector.body};
  request.headers.emplace_back("Host", "example.amazonaws.com");
  request.headers.emplace_back("X-Amz-Date", "20150830T123600Z");
  request.headers.emplace_back("Authorization", Authorization(vector.signed_headers, vector.signature));
  return request;
}

class SigV4Test : public testing::Test {
 protected:
  std::variant<Identity, AwsError> Verify(const http::Request& request, absl::Time now) {
    return verifier_.Verify(request, wire::ParseForm(request.query()), now);
  }
  AwsError Refused(const http::Request& request, absl::Time now = kNow) {
    auto outcome = Verify(request, now);
    if (std::holds_alternative<AwsError>(outcome)) return std::get<AwsError>(outcome);
    return {.query_code = "accepted"};
  }
  bool Accepts(const http::Request& request, absl::Time now = kNow) {
    return std::holds_alternative<Identity>(Verify(request, now));
  }
  static http::Request With(const std::string& name, const std::string& value) {
    http::Request request = RequestOf(Vectors()[0]);
    for (auto& [key, old] : request.headers) {
      if (key == name) old = value;
    }
    return request;
  }
  // The valid request with something else in its Authorization.
  static http::Request Changed(const std::string& from, const std::string& to) {
    const http::Request request = RequestOf(Vectors()[0]);
    return With("Authorization", absl::StrReplaceAll(request.Header("Authorization"), {{from, to}}));
  }

  FakeKeys keys_;
  SigV4Verifier verifier_{keys_, {"service"}};
};

TEST_F(SigV4Test, VectorsOfAws) {
  for (const Vector& vector : Vectors()) {
    EXPECT_TRUE(Accepts(RequestOf(vector))) << vector.name;
    // With the signing key of the cache as well, and no other.
    EXPECT_TRUE(Accepts(RequestOf(vector))) << vector.name;
    http::Request other = RequestOf(vector);
    other.body += " ";
    EXPECT_EQ(Refused(other).query_code, "SignatureDoesNotMatch") << vector.name;
  }
}

TEST_F(SigV4Test, TheIdentityIsTheKeysAndTheScopes) {
  const auto outcome = Verify(RequestOf(Vectors()[0]), kNow);
  const auto* identity = std::get_if<Identity>(&outcome);
  ASSERT_NE(identity, nullptr);
  EXPECT_EQ(identity->access_key, "AKIDEXAMPLE");
  EXPECT_EQ(identity->account, "111122223333");
  EXPECT_EQ(identity->region, "us-east-1");
  EXPECT_EQ(identity->service, "service");
}

TEST_F(SigV4Test, AnotherSecretOfTheSameKeyIsNotedAtOnce) {
  const http::Request request = RequestOf(Vectors()[0]);
  ASSERT_TRUE(Accepts(request));
  keys_.keys["AKIDEXAMPLE"].secret = "another";
  EXPECT_EQ(Refused(request).query_code, "SignatureDoesNotMatch");
  keys_.keys["AKIDEXAMPLE"].secret = kSecret;
  keys_.keys["AKIDEXAMPLE"].disabled = true;
  EXPECT_EQ(Refused(request).query_code, "InvalidClientTokenId");
}

TEST_F(SigV4Test, WhatIsNotSignedIsMissing) {
  const AwsError error = Refused({.method = "GET", .target = "/?Action=ListQueues", .headers = {{"Host", "localhost"}}});
  EXPECT_EQ(error.query_code, "MissingAuthenticationToken");
  EXPECT_EQ(error.code, "MissingAuthenticationTokenException");
  EXPECT_EQ(error.http_status, 403);
  EXPECT_EQ(error.message, "Request is missing Authentication Token");
}

TEST_F(SigV4Test, AnotherSchemeOfAuthenticationIsNone) {
  EXPECT_EQ(Refused(With("Authorization", "Basic dXNlcg==")).query_code, "MissingAuthenticationToken");
  EXPECT_EQ(Refused(With("Authorization", "Bearer AWS4-HMAC-SHA256")).query_code, "MissingAuthenticationToken");
}

TEST_F(SigV4Test, ARequestIsSignedInOnePlace) {
  http::Request request = RequestOf(Vectors()[0]);
  request.target = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256";
  const AwsError error = Refused(request);
  EXPECT_EQ(error.query_code, "SignatureDoesNotMatch");
  EXPECT_EQ(error.message, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
}

TEST_F(SigV4Test, AWrongSignatureIsToldWhatShouldHaveBeenSigned) {
  const AwsError error = Refused(Changed("bf31", "bf32"));
  EXPECT_TRUE(error.common);
  EXPECT_EQ(error.message,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing "
            "method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'GET\n/"
            "\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n"
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256"
            "\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
            "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63'\n");
  // What is not UTF-8 cannot be told in JSON.
  http::Request request = RequestOf(Vectors()[0]);
  request.headers.emplace_back("My-Header1", "\xff");
  for (auto& [name, value] : request.headers) {
    if (name == "Authorization") value = Authorization("host;my-header1;x-amz-date", "00");
  }
  EXPECT_THAT(Refused(request).message, testing::EndsWith("for details."));
}

TEST_F(SigV4Test, WhatIsIncompleteSaysWhatIsMissing) {
  const AwsError all = Refused({.method = "GET", .target = "/", .headers = {{"Authorization", "AWS4-HMAC-SHA256"}}});
  EXPECT_EQ(all.query_code, "IncompleteSignature");
  EXPECT_EQ(all.http_status, 400);
  EXPECT_EQ(all.message,
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
            "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
            "'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) "
            "Authorization=YI2YWea8FSxnksZL2ETHbs5elHm9HQufxTLK0W0ffV0=");
  const std::vector<std::pair<http::Request, std::string>> cases = {
      {With("Authorization", "AWS4-HMAC-SHA256X Credential=a"), "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA256X'."},
      {With("Authorization", "AWS4-HMAC-SHA256 nonsense"),
       "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): "
       "'/GgzqArXSgHmeH9zKGL5W27LTpQAGGlulZHcz25KRcI='."},
      {Changed("Signature=", "Sig="), "requires 'Signature' parameter"},
      {Changed("/aws4_request", ""), "exactly 5 slash-delimited elements"},
      {With("X-Amz-Date", "2015-08-30 12:36:00"), "ISO-8601 'basic format'"},
      {With("X-Amz-Date", "20151330T123600Z"), "ISO-8601 'basic format'"},
  };
  for (const auto& [request, message] : cases) {
    const AwsError error = Refused(request);
    EXPECT_EQ(error.query_code, "IncompleteSignature") << message;
    EXPECT_THAT(error.message, HasSubstr(message));
  }
}

TEST_F(SigV4Test, AKeyThatIsUnknownOrDisabledIsInvalid) {
  for (const char* key : {"AKIDNOBODY", "AKIDDISABLED", ""}) {
    const AwsError error = Refused(Changed("AKIDEXAMPLE", key));
    EXPECT_EQ(error.query_code, "InvalidClientTokenId") << key;
    EXPECT_EQ(error.code, "UnrecognizedClientException");
    EXPECT_EQ(error.http_status, 403);
    EXPECT_EQ(error.message, "The security token included in the request is invalid.");
  }
  http::Request request = RequestOf(Vectors()[0]);
  request.headers.emplace_back("X-Amz-Security-Token", "of a session");
  EXPECT_EQ(Refused(request).query_code, "InvalidClientTokenId");
}

TEST_F(SigV4Test, TheScopeMustFit) {
  const std::vector<std::pair<http::Request, std::string>> cases = {
      {Changed("/service/", "/sqs/"), "Credential should be scoped to correct service: 'service'."},
      {Changed("aws4_request", "aws5_request"), "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
      {Changed("/us-east-1/", "//"), "Credential should be scoped to a valid region."},
      {Changed("20150830", "20150829"),
       "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150829' != '20150830', "
       "from '20150830T123600Z'."},
      {Changed("host;", ""), "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
      {Changed("us-east-1", "eu-central-1"), "The request signature we calculated does not match"},
      {Changed("host;", "host;my-header1;"), "The request signature we calculated does not match"},
      {Changed("bf31", "bf32"), "The request signature we calculated does not match"},
      {Changed("bf31", "bf3"), "The request signature we calculated does not match"},
  };
  for (const auto& [request, message] : cases) {
    const AwsError error = Refused(request);
    EXPECT_EQ(error.query_code, "SignatureDoesNotMatch") << message;
    EXPECT_EQ(error.code, "InvalidSignatureException");
    EXPECT_EQ(error.http_status, 403);
    EXPECT_THAT(error.message, HasSubstr(message));
  }
}

TEST_F(SigV4Test, TheClockMayBeOffByAQuarterOfAnHour) {
  const http::Request request = RequestOf(Vectors()[0]);
  EXPECT_TRUE(Accepts(request, kNow + absl::Minutes(15)));
  EXPECT_TRUE(Accepts(request, kNow - absl::Minutes(15)));
  EXPECT_EQ(Refused(request, kNow + absl::Minutes(15) + absl::Seconds(1)).message,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)");
  EXPECT_EQ(Refused(request, kNow - absl::Minutes(15) - absl::Seconds(1)).message,
            "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)");
}

TEST_F(SigV4Test, TheOperationsNameMustBeSigned) {
  http::Request request = RequestOf(Vectors()[0]);
  request.headers.emplace_back("X-Amz-Target", "AmazonSQS.PurgeQueue");
  EXPECT_THAT(Refused(request).message, HasSubstr("'X-Amz-Target' must be a 'SignedHeader'"));
}

TEST_F(SigV4Test, AHashOfTheBodyMustBeTheBodys) {
  for (const char* hash : {"UNSIGNED-PAYLOAD", "00"}) {
    http::Request request = RequestOf(Vectors()[0]);
    request.headers.emplace_back("x-amz-content-sha256", hash);
    EXPECT_EQ(Refused(request).query_code, "SignatureDoesNotMatch");
  }
}

// Signed by botocore's SigV4QueryAuth.
constexpr char kPresigned[] =
    "/111122223333/orders?Action=SendMessage&MessageBody=a%20b%2B&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z"
    "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "a3f204e1240e49e5b15cc106d3607c6e301e512e95f5aecc94500048699ad9be";

http::Request Presigned(const std::string& from = "", const std::string& to = "") {
  std::string target = kPresigned;
  if (!from.empty()) target = absl::StrReplaceAll(target, {{from, to}});
  return {.method = "GET", .target = target, .headers = {{"Host", "example.amazonaws.com"}}};
}

TEST_F(SigV4Test, PresignedUrls) {
  EXPECT_TRUE(Accepts(Presigned()));
  EXPECT_TRUE(Accepts(Presigned(), kNow + absl::Hours(1)));
  EXPECT_EQ(Refused(Presigned(), kNow + absl::Hours(1) + absl::Seconds(1)).message,
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T133601Z - 60 min.)");
  EXPECT_EQ(Refused(Presigned("a%20b", "a%20c")).query_code, "SignatureDoesNotMatch");
  // A plus sign and a space are not the same to the operation, so they are not to the signature.
  EXPECT_EQ(Refused(Presigned("b%2B", "b+")).query_code, "SignatureDoesNotMatch");
  EXPECT_EQ(Refused(Presigned("Expires=3600", "Expires=7200")).query_code, "SignatureDoesNotMatch");
  for (const char* expires : {"0", "604801", "-1", "soon"}) {
    EXPECT_THAT(Refused(Presigned("Expires=3600", absl::StrCat("Expires=", expires))).message,
                HasSubstr("X-Amz-Expires must be a number of seconds between 1 and 604800."));
  }
  EXPECT_EQ(Refused(Presigned("X-Amz-Signature", "Signature")).message,
            "AWS query-string parameters must include 'X-Amz-Signature'. Re-examine the query-string parameters.");
  EXPECT_THAT(Refused(Presigned("AWS4-HMAC-SHA256", "AWS4-ECDSA")).message, HasSubstr("Unsupported AWS 'algorithm': 'AWS4-ECDSA'."));
}

}  // namespace
}  // namespace weir::gateway::auth
