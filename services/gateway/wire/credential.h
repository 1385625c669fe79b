// Who a request says it is from: the credential of its signature, version 4. Nothing is verified here.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace weir::gateway::wire {

struct Credential {
  std::string access_key;
  std::string date;     // "20260131"
  std::string region;   // "us-east-1"
  std::string service;  // "sqs"
};

// "AKIDEXAMPLE/20260131/us-east-1/sqs/aws4_request".
std::optional<Credential> ParseCredential(absl::string_view text);

// Of a header "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
std::optional<Credential> CredentialOfAuthorization(absl::string_view header);

// As the emulators of AWS have it: an access key of 12 digits is the account.
std::string AccountOf(absl::string_view access_key, absl::string_view default_account);

}  // namespace weir::gateway::wire
