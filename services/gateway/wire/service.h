// What a service of AWS is to the front door: a table of operations, and a way to start one. Adding a service is one of these.
#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/gateway/wire/aws_error.h"
#include "services/gateway/wire/shape.h"

namespace weir::gateway::wire {

// An entry of the table; services derive theirs from it.
struct Operation {
  absl::string_view name;  // "SendMessage"
  const Shape* input;
  const Shape* output;  // null: the operation answers nothing
};

// Who calls, and what the answer must know of how it was reached.
struct CallContext {
  std::string account;   // "000000000000"
  std::string region;    // "us-east-1"
  std::string base_url;  // "http://localhost:4566"
  std::string path;      // of the request, decoded: "/000000000000/orders"
  // The account is proven; the queues of others are for it only where their policies say so.
  bool verified = false;
  // What policies may ask for.
  std::string source_ip;   // of whoever connected; empty: not known
  std::string user_agent;  // as it was sent; empty: it was not
  bool secure = false;     // clients come by TLS
};

struct ServiceNames {
  absl::string_view scope;            // in a credential: "sqs"
  absl::string_view json_target;      // in X-Amz-Target, before the dot: "AmazonSQS"; empty: no JSON
  absl::string_view shape_namespace;  // in JSON errors: "com.amazonaws.sqs"
  absl::string_view xml_namespace;    // in XML
};

// Thread-safe.
class Service {
 public:
  using Done = std::function<void(Outcome)>;
  // Ends the operation early; may be called from any thread, also when it has ended.
  using Cancel = std::function<void()>;

  virtual ~Service() = default;
  virtual const ServiceNames& names() const = 0;
  // Null: there is no such operation.
  virtual const Operation* Find(absl::string_view operation) const = 0;
  // Completes the parameters by what the path says.
  virtual void AddFromPath(const CallContext& context, const Operation& operation, Value& input) const = 0;
  // `done` is called once, from any thread, perhaps before Start returns.
  virtual Cancel Start(const Operation& operation, const CallContext& context, Value input, Done done) = 0;
  // Long polls end now, with what there is; later ones at once.
  virtual void Drain() = 0;
};

}  // namespace weir::gateway::wire
