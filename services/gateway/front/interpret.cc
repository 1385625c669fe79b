#include "services/gateway/front/interpret.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/gateway/wire/credential.h"
#include "services/gateway/wire/form.h"
#include "services/gateway/wire/json_protocol.h"
#include "services/gateway/wire/query_protocol.h"

namespace weir::gateway::front {
namespace {

using wire::AwsError;
using wire::Operation;
using wire::Parameters;
using wire::Service;
using wire::Value;

constexpr absl::string_view kJsonType = "application/x-amz-json-1.0";

constexpr absl::string_view kUnknownOperation = "UnknownOperationException";

AwsError UnknownAction(absl::string_view action) {
  return wire::CommonError("InvalidAction", kUnknownOperation, 400,
                           absl::StrCat("The action ", action, " is not valid for this endpoint."));
}

AwsError MissingAction(absl::string_view where) {
  return wire::CommonError("MissingAction", kUnknownOperation, 400, absl::StrCat("The request must contain the ", where, "."));
}

// A browser asks on behalf of a page that somebody else wrote. Without signatures any page could otherwise purge the queues of whoever
// looks at it.
bool IsFromAnotherSite(const http::Request& request) {
  const absl::string_view site = request.Header("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") return true;
  absl::string_view origin = request.Header("Origin");
  if (origin.empty()) return false;
  const size_t scheme = origin.find("://");
  return scheme == absl::string_view::npos || origin.substr(scheme + 3) != request.Header("Host");
}

AwsError AnotherSite() {
  return wire::CommonError("AccessDenied", "AccessDeniedException", 403,
                           "Requests that a browser makes for a page of another origin are refused.");
}

wire::CallContext ContextOf(const http::Request& request, const Options& options,
                            const std::optional<wire::Credential>& credential) {
  wire::CallContext context;
  context.account = wire::AccountOf(credential.has_value() ? credential->access_key : "", options.default_account);
  context.region = credential.has_value() && !credential->region.empty() ? credential->region : options.default_region;
  context.base_url = options.base_url.empty() ? absl::StrCat("http://", request.Header("Host")) : options.base_url;
  context.path = wire::DecodePercent(request.path());
  context.source_ip = request.remote_address;
  context.user_agent = std::string(request.Header("User-Agent"));
  // TLS ends in front of the gateway, so it knows from its own URL.
  context.secure = absl::StartsWithIgnoreCase(options.base_url, "https://");
  return context;
}

// The parameters as the operation wants them, or what is wrong with them.
wire::Outcome Complete(const Interpreted& request, wire::Outcome input) {
  auto* value = std::get_if<Value>(&input);
  if (value == nullptr) return input;
  request.service->AddFromPath(request.context, *request.operation, *value);
  for (const wire::Member& member : request.operation->input->members) {
    const Value& given = (*value)[member.name];
    const bool empty_text = member.shape->kind == wire::Kind::kString && given.text().empty();
    if (member.required && (given.absent() || empty_text)) return wire::MissingParameter(member.name);
  }
  return input;
}

// X-Amz-Target: AmazonSQS.SendMessage
void InterpretJson(const http::Request& request, const std::vector<Service*>& services, Interpreted& out) {
  const absl::string_view target = request.Header("X-Amz-Target");
  const size_t dot = target.find('.');
  const absl::string_view action = dot == absl::string_view::npos ? "" : target.substr(dot + 1);
  for (Service* service : services) {
    if (target.substr(0, dot) != service->names().json_target) continue;
    out.service = service;
    out.operation = service->Find(action);
  }
  if (target.empty()) {
    out.input = MissingAction("header X-Amz-Target");
  } else if (out.operation == nullptr) {
    out.input = UnknownAction(action.empty() ? target : action);
  } else {
    out.input = Complete(out, wire::ParseJsonInput(request.body, *out.operation->input));
  }
}

void InterpretQuery(const Parameters& parameters, const std::vector<Service*>& services,
                    const std::optional<wire::Credential>& credential, Interpreted& out) {
  const absl::string_view action = wire::Find(parameters, "Action");
  for (Service* service : services) {
    const bool meant = credential.has_value() && credential->service == service->names().scope;
    const Operation* operation = service->Find(action);
    if (meant || (out.operation == nullptr && operation != nullptr)) {
      out.service = service;
      out.operation = operation;
    }
    if (meant) break;
  }
  if (action.empty()) {
    out.input = MissingAction("parameter Action");
  } else if (out.operation == nullptr) {
    out.input = UnknownAction(action);
  } else {
    out.input = Complete(out, wire::ParseQueryInput(parameters, *out.operation->input));
  }
}

http::Response RespondJson(const Interpreted& request, const wire::Outcome& outcome) {
  http::Response response{.headers = {{"Content-Type", std::string(kJsonType)}}};
  if (const auto* error = std::get_if<AwsError>(&outcome)) {
    response.status = error->http_status;
    // From it clients of the JSON protocol know the code that the Query protocol has.
    response.headers.emplace_back("x-amzn-query-error",
                                  absl::StrCat(error->query_code, ";", error->sender_fault ? "Sender" : "Receiver"));
    response.body = wire::FormatJsonError(*error, request.service->names().shape_namespace);
  } else if (request.operation->output != nullptr) {
    response.body = wire::FormatJsonAnswer(*request.operation->output, std::get<Value>(outcome));
  }
  return response;
}

http::Response RespondXml(const Interpreted& request, const wire::Outcome& outcome, const std::string& request_id) {
  const absl::string_view xml_namespace = request.service->names().xml_namespace;
  http::Response response{.headers = {{"Content-Type", "text/xml"}}};
  if (const auto* error = std::get_if<AwsError>(&outcome)) {
    response.status = error->http_status;
    response.body = wire::FormatXmlError(*error, xml_namespace, request_id);
  } else {
    response.body = wire::FormatXmlAnswer(request.operation->name, xml_namespace, request.operation->output,
                                          std::get<Value>(outcome), request_id);
  }
  return response;
}

}  // namespace

Interpreted Interpret(const http::Request& request, const Options& options, const std::vector<Service*>& services,
                      absl::Time now) {
  Interpreted out;
  out.service = services.front();
  const Parameters from_url = wire::ParseForm(request.query());
  std::optional<wire::Credential> credential = wire::CredentialOfAuthorization(request.Header("Authorization"));
  if (!credential.has_value()) credential = wire::ParseCredential(wire::Find(from_url, "X-Amz-Credential"));
  out.context = ContextOf(request, options, credential);
  const bool json = !request.Header("X-Amz-Target").empty() ||
                    absl::StartsWith(request.Header("Content-Type"), "application/x-amz-json");
  if (json) out.protocol = Protocol::kJson;
  if (options.verifier != nullptr) {
    // Before anything is read that a stranger wrote.
    auto verified = options.verifier->Verify(request, from_url, now);
    if (auto* error = std::get_if<AwsError>(&verified)) {
      out.input = std::move(*error);
      return out;
    }
    const auto& identity = std::get<auth::Identity>(verified);
    out.context.account = identity.account;
    out.context.region = identity.region;
    out.context.verified = true;
    credential = wire::Credential{.access_key = identity.access_key, .region = identity.region, .service = identity.service};
  }
  if (json) {
    InterpretJson(request, services, out);
    if (IsFromAnotherSite(request)) out.input = AnotherSite();
    return out;
  }
  Parameters parameters;
  if (request.method == "POST") parameters = wire::ParseForm(request.body);
  parameters.insert(parameters.end(), from_url.begin(), from_url.end());
  InterpretQuery(parameters, services, credential, out);
  if (IsFromAnotherSite(request)) out.input = AnotherSite();
  return out;
}

http::Response Respond(const Interpreted& request, const wire::Outcome& outcome, const std::string& request_id) {
  http::Response response = request.protocol == Protocol::kJson ? RespondJson(request, outcome)
                                                                : RespondXml(request, outcome, request_id);
  response.headers.emplace_back("x-amzn-RequestId", request_id);
  return response;
}

}  // namespace weir::gateway::front
