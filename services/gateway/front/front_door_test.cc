#include "services/gateway/front/front_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "libs/observe/metrics.h"

namespace weir::gateway::front {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using wire::Kind;
using wire::Member;
using wire::Shape;
using wire::Value;

constexpr Shape kString = {.kind = Kind::kString};
constexpr Member kInputMembers[] = {{.name = "QueueUrl", .shape = &kString, .required = true},
                                    {.name = "Text", .shape = &kString}};
constexpr Shape kInput = {.kind = Kind::kStructure, .members = kInputMembers};
constexpr Member kOutputMembers[] = {{.name = "Seen", .shape = &kString}};
constexpr Shape kOutput = {.kind = Kind::kStructure, .members = kOutputMembers};
constexpr wire::Operation kOperations[] = {
    {"Show", &kInput, &kOutput}, {"Touch", &kInput, nullptr}, {"Fail", &kInput, &kOutput}, {"Wait", &kInput, &kOutput}};

// Shows what it was asked for: "ACCOUNT REGION BASE_URL QUEUE_URL TEXT". Wait is answered when the caller has gone.
class FakeService final : public wire::Service {
 public:
  FakeService(absl::string_view scope, absl::string_view target, absl::string_view xml_namespace)
      : names_{scope, target, "com.amazonaws.fake", xml_namespace} {}

  const wire::ServiceNames& names() const override { return names_; }
  const wire::Operation* Find(absl::string_view name) const override {
    for (const wire::Operation& operation : kOperations) {
      if (operation.name == name) return &operation;
    }
    return nullptr;
  }
  void AddFromPath(const wire::CallContext& context, const wire::Operation&, Value& input) const override {
    if (context.path.size() > 1 && input["QueueUrl"].absent()) input.Set("QueueUrl", Value(context.path));
  }
  Cancel Start(const wire::Operation& operation, const wire::CallContext& context, Value input, Done done) override {
    if (operation.name == "Wait") {
      return [done = std::move(done)] { done(Value(Value::Fields())); };
    }
    if (operation.name == "Fail") {
      done(wire::AwsError{.code = "Gone", .query_code = "Fake.Gone", .http_status = 404, .message = "It is gone."});
    } else {
      Value output;
      output.Set("Seen", Value(context.account + " " + context.region + " " + context.base_url + " " +
                               input["QueueUrl"].text() + " " + input["Text"].text()));
      done(std::move(output));
    }
    return [] {};
  }
  void Drain() override { drained = true; }

  bool drained = false;

 private:
  const wire::ServiceNames names_;
};

class FakeExchange final : public http::Exchange {
 public:
  void Answer(http::Response answer) override { response = std::move(answer); }
  void OnGone(std::function<void()> gone) override { gone_ = std::move(gone); }
  void Leave() { std::exchange(gone_, nullptr)(); }

  std::optional<http::Response> response;

 private:
  std::function<void()> gone_;
};

class FrontDoorTest : public testing::Test {
 protected:
  std::shared_ptr<FakeExchange> Open(http::Request request) {
    auto exchange = std::make_shared<FakeExchange>();
    door_.Handle(std::move(request), exchange);
    return exchange;
  }
  http::Response Ask(http::Request request) { return Open(std::move(request))->response.value(); }

  static http::Request Json(const std::string& target, const std::string& body) {
    return {.method = "POST",
            .target = "/",
            .headers = {{"Host", "localhost:4566"}, {"x-amz-target", target}, {"content-type", "application/x-amz-json-1.0"}},
            .body = body};
  }
  static http::Request Form(const std::string& body, const std::string& target = "/") {
    return {.method = "POST",
            .target = target,
            .headers = {{"Host", "localhost:4566"}, {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
            .body = body};
  }
  static http::Request Get(const std::string& target) {
    return {.method = "GET", .target = target, .headers = {{"Host", "localhost:4566"}}};
  }
  static http::Request Signed(http::Request request, const std::string& key, const std::string& region,
                              const std::string& service) {
    request.headers.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + key + "/20260131/" + region + "/" +
                                                      service + "/aws4_request, SignedHeaders=host, Signature=00");
    return request;
  }
  static std::string Header(const http::Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }
  static std::string SeenIn(const http::Response& response) {
    const size_t begin = response.body.find("<Seen>") + 6;
    return response.body.substr(begin, response.body.find("</Seen>") - begin);
  }

  observe::Metrics metrics_;
  grpcx::RpcMetrics queues_metrics_{metrics_, "fake.queues"};
  grpcx::RpcMetrics topics_metrics_{metrics_, "fake.topics"};
  FakeService queues_{"sqs", "AmazonSQS", "urn:queues"};
  FakeService topics_{"sns", "", "urn:topics"};
  FrontDoor door_{{}, {{queues_, queues_metrics_}, {topics_, topics_metrics_}}};
};

TEST_F(FrontDoorTest, SpeaksJson) {
  const http::Response response = Ask(Json("AmazonSQS.Show", R"({"QueueUrl":"q","Text":"t"})"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(Header(response, "Content-Type"), "application/x-amz-json-1.0");
  EXPECT_EQ(Header(response, "x-amzn-RequestId").size(), 36);
  EXPECT_EQ(response.body, R"({"Seen":"000000000000 us-east-1 http://localhost:4566 q t"})");
  EXPECT_EQ(Ask(Json("AmazonSQS.Touch", R"({"QueueUrl":"q"})")).body, "");
}

TEST_F(FrontDoorTest, SpeaksQuery) {
  const http::Response response = Ask(Form("Action=Show&Version=2012-11-05&QueueUrl=q&Text=a+b"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(Header(response, "Content-Type"), "text/xml");
  EXPECT_THAT(response.body, StartsWith("<?xml version=\"1.0\"?><ShowResponse xmlns=\"urn:queues\"><ShowResult>"));
  EXPECT_THAT(response.body, HasSubstr("<RequestId>" + Header(response, "x-amzn-RequestId") + "</RequestId>"));
  EXPECT_EQ(SeenIn(response), "000000000000 us-east-1 http://localhost:4566 q a b");
}

TEST_F(FrontDoorTest, TakesParametersFromTheUrl) {
  EXPECT_EQ(SeenIn(Ask(Get("/?Action=Show&QueueUrl=q&Text=%C3%A9"))), "000000000000 us-east-1 http://localhost:4566 q é");
  EXPECT_EQ(SeenIn(Ask(Get("/000000000000/a%2Db?Action=Show"))),
            "000000000000 us-east-1 http://localhost:4566 /000000000000/a-b ");
  // What is said explicitly wins.
  EXPECT_EQ(SeenIn(Ask(Form("Action=Show&QueueUrl=q", "/000000000000/other"))),
            "000000000000 us-east-1 http://localhost:4566 q ");
}

TEST_F(FrontDoorTest, TheCredentialSaysWhoCallsAndWhere) {
  EXPECT_EQ(SeenIn(Ask(Signed(Form("Action=Show&QueueUrl=q"), "123456789012", "eu-west-1", "sqs"))),
            "123456789012 eu-west-1 http://localhost:4566 q ");
  EXPECT_EQ(SeenIn(Ask(Signed(Form("Action=Show&QueueUrl=q"), "AKID", "eu-west-1", "sqs"))),
            "000000000000 eu-west-1 http://localhost:4566 q ");
  EXPECT_EQ(SeenIn(Ask(Get("/?Action=Show&QueueUrl=q&X-Amz-Credential=123456789012%2F20260131%2Feu-west-1%2Fsqs%2Faws4_"
                           "request"))),
            "123456789012 eu-west-1 http://localhost:4566 q ");
}

TEST_F(FrontDoorTest, TheCredentialAlsoSaysWhichServiceIsMeant) {
  EXPECT_THAT(Ask(Signed(Form("Action=Show&QueueUrl=q"), "k", "r", "sns")).body, HasSubstr("xmlns=\"urn:topics\""));
}

TEST_F(FrontDoorTest, AConfiguredBaseUrlWins) {
  FrontDoor door({.base_url = "https://queues.example"}, {{queues_, queues_metrics_}});
  auto exchange = std::make_shared<FakeExchange>();
  door.Handle(Form("Action=Show&QueueUrl=q"), exchange);
  EXPECT_EQ(SeenIn(exchange->response.value()), "000000000000 us-east-1 https://queues.example q ");
}

TEST_F(FrontDoorTest, ErrorsHaveTheShapeOfTheirProtocol) {
  const http::Response json = Ask(Json("AmazonSQS.Fail", R"({"QueueUrl":"q"})"));
  EXPECT_EQ(json.status, 404);
  EXPECT_EQ(Header(json, "x-amzn-query-error"), "Fake.Gone;Sender");
  EXPECT_EQ(json.body, R"({"__type":"com.amazonaws.fake#Gone","message":"It is gone."})");
  const http::Response xml = Ask(Form("Action=Fail&QueueUrl=q"));
  EXPECT_EQ(xml.status, 404);
  EXPECT_EQ(Header(xml, "x-amzn-query-error"), "");
  EXPECT_THAT(xml.body, HasSubstr("<Code>Fake.Gone</Code><Message>It is gone.</Message>"));
}

TEST_F(FrontDoorTest, RefusesWhatItCannotInterpret) {
  struct Case {
    http::Request request;
    std::string part;
  };
  const Case cases[] = {
      {Json("AmazonSQS.Fly", "{}"), R"("__type":"com.amazon.coral.service#UnknownOperationException","message":"The action Fly is not)"},
      {Json("AmazonS3.Show", "{}"), "The action Show is not valid for this endpoint."},
      {Json("", "{}"), R"(#UnknownOperationException","message":"The request must contain the header X-Amz-Target.)"},
      {Json("AmazonSQS.Show", "{"), R"(#SerializationException")"},
      {Json("AmazonSQS.Show", "{}"), R"(#MissingRequiredParameterException","message":"The request must contain the parameter QueueUrl.")"},
      {Json("AmazonSQS.Show", R"({"QueueUrl":""})"), R"(#MissingRequiredParameterException")"},
      {Form("Action=Fly"), "<Code>InvalidAction</Code><Message>The action Fly is not valid for this endpoint.</Message>"},
      {Form(""), "<Code>MissingAction</Code>"},
      {Form("Action=Show"), "<Code>MissingParameter</Code><Message>The request must contain the parameter QueueUrl.</Message>"},
      {Get("/"), "<Code>MissingAction</Code>"},
  };
  for (const Case& c : cases) {
    const http::Response response = Ask(c.request);
    EXPECT_EQ(response.status, 400);
    EXPECT_THAT(response.body, HasSubstr(c.part));
  }
}

TEST_F(FrontDoorTest, RefusesWhatABrowserAsksForAnotherSitesPage) {
  using Header = std::pair<std::string, std::string>;
  for (const Header& header : {Header("Sec-Fetch-Site", "cross-site"), Header("Sec-Fetch-Site", "same-site"),
                               Header("Origin", "https://evil.example"), Header("Origin", "null")}) {
    http::Request request = Get("/?Action=Show&QueueUrl=q");
    request.headers.push_back(header);
    const http::Response response = Ask(request);
    EXPECT_EQ(response.status, 403) << header.second;
    EXPECT_THAT(response.body, HasSubstr("<Code>AccessDenied</Code>"));
  }
  for (const Header& header : {Header("Sec-Fetch-Site", "none"), Header("Origin", "http://localhost:4566")}) {
    http::Request request = Get("/?Action=Show&QueueUrl=q");
    request.headers.push_back(header);
    EXPECT_EQ(Ask(request).status, 200) << header.second;
  }
}

class OneKey final : public auth::KeySource {
 public:
  std::optional<auth::AccessKey> Find(absl::string_view id) override {
    if (id != "AKIDEXAMPLE") return std::nullopt;
    return auth::AccessKey{
        .id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", .account = "111122223333"};
  }
};

TEST_F(FrontDoorTest, WithAVerifierTheCallerIsWhomTheSignatureProves) {
  OneKey keys;
  auth::SigV4Verifier verifier(keys, {"sqs"});
  const Options options = {.verifier = &verifier};
  const absl::Time now = absl::FromUnixSeconds(1440938160);  // 2015-08-30T12:36:00Z
  // Signed by botocore's SigV4QueryAuth.
  const std::string target =
      "/?Action=Show&QueueUrl=q&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Feu-west-1%2Fsqs%2Faws4_request"
      "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=1ad9991a9de1032dea19a1272b6489eddc0cf6dc225c52ed6f1cee0d8aacd403";
  const Interpreted signed_one = Interpret(Get(target), options, {&queues_}, now);
  EXPECT_TRUE(std::holds_alternative<Value>(signed_one.input));
  EXPECT_EQ(signed_one.context.account, "111122223333");
  EXPECT_EQ(signed_one.context.region, "eu-west-1");
  EXPECT_TRUE(signed_one.context.verified);

  const Interpreted late = Interpret(Get(target), options, {&queues_}, now + absl::Minutes(2));
  EXPECT_EQ(std::get<wire::AwsError>(late.input).query_code, "SignatureDoesNotMatch");
  EXPECT_FALSE(late.context.verified);
  const Interpreted by_json = Interpret(Json("AmazonSQS.Show", "{not even JSON"), options, {&queues_}, now);
  EXPECT_EQ(by_json.protocol, Protocol::kJson);
  const http::Response response = Respond(by_json, by_json.input, "id");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(Header(response, "x-amzn-query-error"), "MissingAuthenticationToken;Sender");
  EXPECT_THAT(response.body, HasSubstr("#MissingAuthenticationTokenException\""));
}

TEST_F(FrontDoorTest, ACallerThatGoesAwayEndsTheOperation) {
  const auto exchange = Open(Form("Action=Wait&QueueUrl=q"));
  EXPECT_FALSE(exchange->response.has_value());
  exchange->Leave();
  EXPECT_TRUE(exchange->response.has_value());
}

TEST_F(FrontDoorTest, UntilItIsOpenOperationsAreToldToComeAgain) {
  FrontDoor door({.closed = true}, {{queues_, queues_metrics_}});
  const auto ask = [&](http::Request request) {
    const auto exchange = std::make_shared<FakeExchange>();
    door.Handle(std::move(request), exchange);
    return exchange->response.value();
  };
  EXPECT_EQ(ask(Get("/_weir/health")).status, 503);
  EXPECT_THAT(ask(Get("/_weir/health")).body, HasSubstr("\"status\":\"starting\""));
  const http::Response refused = ask(Json("AmazonSQS.Show", R"({"QueueUrl":"q"})"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(Header(refused, "x-amzn-query-error"), "ServiceUnavailable;Receiver");
  EXPECT_EQ(ask(Form("Action=Show&QueueUrl=q")).status, 503);
  EXPECT_EQ(ask(Form("Action=Nonsense")).status, 400);
  door.Open();
  EXPECT_EQ(ask(Get("/_weir/health")).status, 200);
  EXPECT_EQ(ask(Form("Action=Show&QueueUrl=q")).status, 200);
}

TEST_F(FrontDoorTest, WhoDrainsDoesNotOpen) {
  FrontDoor door({.closed = true}, {{queues_, queues_metrics_}});
  door.Drain();
  door.Open();
  const auto exchange = std::make_shared<FakeExchange>();
  door.Handle(Get("/_weir/health"), exchange);
  EXPECT_THAT(exchange->response.value().body, HasSubstr("draining"));
}

TEST_F(FrontDoorTest, TellsItsHealth) {
  const http::Response healthy = Ask(Get("/_weir/health"));
  EXPECT_EQ(healthy.status, 200);
  EXPECT_EQ(healthy.body, "{\"status\":\"ok\",\"services\":[\"sqs\",\"sns\"]}\n");
  door_.Drain();
  EXPECT_TRUE(queues_.drained);
  const http::Response draining = Ask(Get("/_weir/health"));
  EXPECT_EQ(draining.status, 503);
  EXPECT_THAT(draining.body, HasSubstr("draining"));
}

}  // namespace
}  // namespace weir::gateway::front
