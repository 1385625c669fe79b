// AWS's Signature Version 4: who made a request, proven. In the header Authorization, or in the query of a presigned URL. No I/O but
// the question for the key.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "services/gateway/auth/access_keys.h"
#include "services/gateway/http/message.h"
#include "services/gateway/wire/aws_error.h"
#include "services/gateway/wire/form.h"

namespace weir::gateway::auth {

// How far the clock of a client may be off; also how long a presigned URL is good that does not say.
constexpr absl::Duration kClockSkewMax = absl::Minutes(15);
// Of presigned URLs: a week.
constexpr int64_t kExpiresSecondsMax = 604'800;

struct Identity {
  std::string access_key;
  std::string account;  // the key's
  std::string region;   // the scope's
  std::string service;  // the scope's: "sqs"
};

// Thread-safe.
class SigV4Verifier {
 public:
  // `keys` must outlive this. `services`: the scopes that are accepted, "sqs".
  SigV4Verifier(KeySource& keys, std::vector<std::string> services) : keys_(keys), services_(std::move(services)) {}

  // Or an error as AWS has it: MissingAuthenticationToken, IncompleteSignature, InvalidClientTokenId, SignatureDoesNotMatch.
  // `query`: the request's, parsed.
  std::variant<Identity, wire::AwsError> Verify(const http::Request& request, const wire::Parameters& query, absl::Time now);

 private:
  using Digest = std::array<unsigned char, 32>;
  struct SigningKey {
    std::string secret;  // from which it was made: an id may get another one
    Digest key;
  };

  // "KEY/DATE/REGION/SERVICE" → the key that signs in it; only of requests whose signature was right.
  Mutex mutex_;
  absl::flat_hash_map<std::string, SigningKey> signing_keys_ ABSL_GUARDED_BY(mutex_);
  KeySource& keys_;
  const std::vector<std::string> services_;
};

}  // namespace weir::gateway::auth
