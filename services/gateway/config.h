// Configuration of the gateway. Defaults visible here; flags, environment and file use the same names.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace weir::gateway {

struct Config {
  std::string listen = "127.0.0.1:4566";  // port 0: any free one
  std::string queue_endpoint;             // "127.0.0.1:7801"; required
  // What queue URLs begin with, for a gateway behind a proxy; empty: "http://" and the Host of each request.
  std::string base_url;
  // Of requests whose access key is no account of 12 digits.
  std::string default_account = "000000000000";
  // Of requests that are not signed.
  std::string default_region = "us-east-1";
  // "sigv4": the signature of each request is verified. "off": any request is believed to be of whom it names.
  std::string auth = "sigv4";
  // With sigv4: the file of access keys, and that of the master key; empty: access-keys.master beside it.
  std::string access_keys;
  std::string access_keys_master;
  // Attributes that are not known are ignored, and those that are not obeyed are kept, instead of refused.
  bool relaxed = false;
  // A queue that does not exist is created when a message is sent to it, or received from it, or when it is asked for.
  bool auto_create_queues = false;
  // File of queues that are created, and changed, before anything is served (sqs/queues_file.h); empty: none.
  std::string queues_file;
  int threads = 2;
  int connections_max = 20'000;
  // How long Stop waits for requests that are being answered.
  absl::Duration drain_timeout = absl::Seconds(10);

  // INVALID_ARGUMENT with the field, its value and what is allowed.
  absl::Status Validate() const;
};

}  // namespace weir::gateway
