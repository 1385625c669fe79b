#include "tests/integration/gateway_fixture.h"

#include <boost/property_tree/xml_parser.hpp>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/grpcx/channel.h"
#include "services/gateway/sqs/sqs_service.h"

namespace weir::gateway {
namespace {

using wire::Kind;
using wire::Member;
using wire::Shape;
using Xml = boost::property_tree::ptree;

const wire::Operation& OperationOf(const std::string& name) {
  static const auto* service = sqs::MakeSqsService(grpcx::MakeChannel("127.0.0.1:1"), {}).release();
  const wire::Operation* operation = service->Find(name);
  WEIR_CHECK(operation != nullptr, name);
  return *operation;
}

std::string Percent(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    absl::StrAppend(&escaped, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  }
  return escaped;
}

// JSON → form, as an old client writes it. All shapes of SQS are flattened.
void AppendForm(const std::string& name, const Shape& shape, const Json& value, std::string& form) {
  const std::string prefix = name.empty() ? "" : name + ".";
  int number = 0;
  switch (shape.kind) {
    case Kind::kStructure:
      for (const Member& member : shape.members) {
        const auto found = value.find(std::string(member.name));
        if (found == value.end()) continue;
        AppendForm(prefix + std::string(member.NameInQuery()), *member.shape, *found, form);
      }
      return;
    case Kind::kList:
      for (const Json& element : value) AppendForm(absl::StrCat(prefix, ++number), *shape.element, element, form);
      return;
    case Kind::kMap:
      for (const auto& [key, element] : value.items()) {
        const std::string entry = absl::StrCat(prefix, ++number, ".");
        absl::StrAppend(&form, "&", entry, shape.key, "=", Percent(key));
        AppendForm(absl::StrCat(entry, shape.value), *shape.element, element, form);
      }
      return;
    default:
      absl::StrAppend(&form, "&", name, "=", Percent(value.is_string() ? value.get<std::string>() : value.dump()));
  }
}

Json FromXml(const Xml& xml, const Shape& shape);

Json MemberFromXml(const Xml& parent, const Member& member) {
  Json value;
  for (const auto& [name, child] : parent) {
    if (name != std::string(member.NameInQuery())) continue;
    const Shape& shape = *member.shape;
    if (shape.kind == Kind::kList) {
      value.push_back(FromXml(child, *shape.element));
    } else if (shape.kind == Kind::kMap) {
      value[child.get<std::string>(std::string(shape.key))] = FromXml(child.get_child(std::string(shape.value)), *shape.element);
    } else {
      value = FromXml(child, shape);
    }
  }
  return value;
}

Json FromXml(const Xml& xml, const Shape& shape) {
  if (shape.kind == Kind::kInteger) return xml.get_value<int64_t>();
  if (shape.kind == Kind::kBoolean) return xml.data() == "true";
  if (shape.kind != Kind::kStructure) return xml.data();
  Json value = Json::object();
  for (const Member& member : shape.members) {
    Json field = MemberFromXml(xml, member);
    if (!field.is_null()) value[std::string(member.name)] = std::move(field);
  }
  return value;
}

AwsAnswer ReadXmlAnswer(const HttpAnswer& http, const wire::Operation& operation) {
  AwsAnswer answer{.status = http.status, .output = Json::object()};
  Xml xml;
  std::istringstream text(http.body);
  boost::property_tree::read_xml(text, xml);
  if (const auto error = xml.get_child_optional("ErrorResponse.Error")) {
    answer.code = error->get<std::string>("Code");
    answer.message = error->get<std::string>("Message");
    return answer;
  }
  const Xml& response = xml.get_child(absl::StrCat(operation.name, "Response"));
  WEIR_CHECK(response.get_child("ResponseMetadata").get<std::string>("RequestId").size() == 36, http.body);
  if (operation.output != nullptr) {
    answer.output = FromXml(response.get_child(absl::StrCat(operation.name, "Result")), *operation.output);
  }
  return answer;
}

AwsAnswer ReadJsonAnswer(const HttpAnswer& http, const wire::Operation& operation) {
  AwsAnswer answer{.status = http.status, .output = Json::object()};
  WEIR_CHECK(http.body.empty() == (http.status == 200 && operation.output == nullptr), http.body);
  if (!http.body.empty()) answer.output = Json::parse(http.body);
  if (http.status == 200) return answer;
  answer.message = answer.output.at("message");
  WEIR_CHECK(answer.output.at("__type").get<std::string>().find("com.amazonaws.sqs#") == 0, http.body);
  answer.code = std::vector<std::string>(absl::StrSplit(http.headers.at("x-amzn-query-error"), ';'))[0];
  return answer;
}

}  // namespace

AwsClient::AwsClient(const std::string& address, ClientProtocol protocol, std::string access_key, std::string region)
    : protocol_(protocol), access_key_(std::move(access_key)), region_(std::move(region)), connection_(address) {}

void AwsClient::Begin(const std::string& operation, const Json& input) {
  const std::string authorization =
      absl::StrCat("Authorization: AWS4-HMAC-SHA256 Credential=", access_key_, "/20260131/", region_,
                   "/sqs/aws4_request, SignedHeaders=host, Signature=00\r\n");
  std::string headers;
  std::string body;
  if (protocol_ == ClientProtocol::kJson) {
    headers = absl::StrCat("X-Amz-Target: AmazonSQS.", operation,
                           "\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-query-mode: true\r\n");
    body = input.dump();
  } else {
    headers = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    body = absl::StrCat("Action=", operation, "&Version=2012-11-05");
    AppendForm("", *OperationOf(operation).input, input, body);
  }
  connection_.Send(absl::StrCat("POST / HTTP/1.1\r\nHost: localhost:4566\r\n", authorization, headers, "Content-Length: ",
                                body.size(), "\r\n\r\n", body));
}

AwsAnswer AwsClient::End(const std::string& operation, absl::Duration limit) {
  const HttpAnswer http = connection_.Receive(limit);
  if (http.status == 0) return {};
  return protocol_ == ClientProtocol::kJson ? ReadJsonAnswer(http, OperationOf(operation))
                                            : ReadXmlAnswer(http, OperationOf(operation));
}

AwsAnswer AwsClient::Call(const std::string& operation, const Json& input) {
  Begin(operation, input);
  return End(operation);
}

void GatewayTest::SetUp() {
  queues_ = std::make_unique<queue::QueueServerUnderTest>(dsn());
  StartGateway({});
}

void GatewayTest::StartGateway(Config config) {
  client_.reset();
  gateway_.reset();
  config.listen = "127.0.0.1:0";
  if (config.access_keys.empty()) config.auth = "off";
  config.queue_endpoint = queues_->address();
  auto gateway = GatewayServer::Start(config, metrics_);
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  gateway_ = *std::move(gateway);
  client_ = Client();
}

void GatewayTest::TearDown() {
  client_.reset();
  gateway_.reset();
  queues_.reset();
}

Json GatewayTest::Must(const std::string& operation, const Json& input) {
  AwsAnswer answer = Ask(operation, input);
  EXPECT_EQ(answer.status, 200) << operation << " " << input.dump() << ": " << answer.code << " " << answer.message;
  return std::move(answer.output);
}

void GatewayTest::CreateQueue(const std::string& name, const Json& attributes) {
  EXPECT_EQ(Must("CreateQueue", {{"QueueName", name}, {"Attributes", attributes}}),
            (Json{{"QueueUrl", "http://localhost:4566/000000000000/" + name}}));
}

std::string GatewayTest::Attribute(const std::string& queue, const std::string& name) {
  const Json output = Must("GetQueueAttributes", {{"QueueUrl", queue}, {"AttributeNames", {name}}});
  return output.contains("Attributes") ? output["Attributes"].value(name, "") : "";
}

void GatewayTest::AwaitFinished(const std::string& operation, int calls) {
  const auto finished = [&] {
    double count = 0;
    for (const auto& family : metrics_.registry().Collect()) {
      if (family.name != "weir_rpc_requests_total") continue;
      for (const auto& metric : family.metric) {
        for (const auto& label : metric.label) count += label.value == operation ? metric.counter.value : 0;
      }
    }
    return count;
  };
  HttpConnection pace(gateway_->address());
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  // A request is the pause between two looks.
  while (finished() < calls && absl::Now() < deadline) pace.Get("/_weir/health");
  EXPECT_EQ(finished(), calls);
}

}  // namespace weir::gateway
