// Both protocols over one shape that has everything: what one reads, the other reads the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "services/gateway/wire/json_protocol.h"
#include "services/gateway/wire/query_protocol.h"

namespace weir::gateway::wire {
namespace {

constexpr Shape kString = {.kind = Kind::kString};
constexpr Shape kInteger = {.kind = Kind::kInteger};
constexpr Shape kBoolean = {.kind = Kind::kBoolean};
constexpr Shape kBlob = {.kind = Kind::kBlob};
constexpr Shape kFlatList = {.kind = Kind::kList, .element = &kString, .flattened = true};
constexpr Shape kList = {.kind = Kind::kList, .element = &kString};
constexpr Shape kFlatMap = {.kind = Kind::kMap, .element = &kString, .flattened = true, .key = "Name", .value = "Value"};
constexpr Shape kMap = {.kind = Kind::kMap, .element = &kString};
constexpr Member kEntryMembers[] = {{.name = "Id", .shape = &kString},
                                    {.name = "Attributes", .shape = &kFlatMap, .query_name = "Attribute"}};
constexpr Shape kEntry = {.kind = Kind::kStructure, .members = kEntryMembers};
constexpr Shape kEntries = {.kind = Kind::kList, .element = &kEntry, .flattened = true};
constexpr Member kAllMembers[] = {{.name = "Text", .shape = &kString},
                                  {.name = "Count", .shape = &kInteger},
                                  {.name = "Flag", .shape = &kBoolean},
                                  {.name = "Bytes", .shape = &kBlob},
                                  {.name = "Names", .shape = &kFlatList, .query_name = "Name"},
                                  {.name = "Members", .shape = &kList},
                                  {.name = "Tags", .shape = &kFlatMap, .query_name = "Tag"},
                                  {.name = "Extra", .shape = &kMap},
                                  {.name = "Entries", .shape = &kEntries, .query_name = "Entry"}};
constexpr Shape kAll = {.kind = Kind::kStructure, .members = kAllMembers};

// An outcome as JSON, which shows all of it; an error as "code: message".
std::string Show(const Outcome& outcome) {
  if (const auto* value = std::get_if<Value>(&outcome)) return FormatJsonAnswer(kAll, *value);
  const auto& error = std::get<AwsError>(outcome);
  return error.query_code + ": " + error.message;
}
std::string ReadJson(absl::string_view body) { return Show(ParseJsonInput(body, kAll)); }
std::string ReadForm(absl::string_view form) { return Show(ParseQueryInput(ParseForm(form), kAll)); }
std::string Xml(absl::string_view json) {
  const std::string xml = FormatXmlAnswer("Do", "urn:x", &kAll, std::get<Value>(ParseJsonInput(json, kAll)), "r-1");
  const size_t begin = xml.find("<DoResult>") + 10;
  return xml.substr(begin, xml.find("</DoResult>") - begin);
}

struct Case {
  const char* json;
  const char* form;
  const char* xml;
};

TEST(ProtocolsTest, ReadAndWriteTheSame) {
  const Case cases[] = {
      {"{}", "", ""},
      {R"({"Text":"a b"})", "Text=a+b", "<Text>a b</Text>"},
      {R"({"Text":""})", "Text=", "<Text></Text>"},
      {R"({"Count":-5})", "Count=-5", "<Count>-5</Count>"},
      {R"({"Flag":true})", "Flag=true", "<Flag>true</Flag>"},
      {R"({"Bytes":"AP8="})", "Bytes=AP8%3D", "<Bytes>AP8=</Bytes>"},
      {R"({"Names":["a","b"]})", "Name.1=a&Name.2=b", "<Name>a</Name><Name>b</Name>"},
      {R"({"Members":["a"]})", "Members.member.1=a", "<Members><member>a</member></Members>"},
      {R"({"Tags":{"k":"v"}})", "Tag.1.Name=k&Tag.1.Value=v", "<Tag><Name>k</Name><Value>v</Value></Tag>"},
      {R"({"Extra":{"k":"v"}})", "Extra.entry.1.key=k&Extra.entry.1.value=v",
       "<Extra><entry><key>k</key><value>v</value></entry></Extra>"},
      {R"({"Entries":[{"Id":"1","Attributes":{"a":"x","b":"y"}},{"Id":"2"}]})",
       "Entry.1.Id=1&Entry.1.Attribute.1.Name=a&Entry.1.Attribute.1.Value=x&Entry.1.Attribute.2.Name=b&"
       "Entry.1.Attribute.2.Value=y&Entry.2.Id=2",
       "<Entry><Id>1</Id><Attribute><Name>a</Name><Value>x</Value></Attribute><Attribute><Name>b</Name><Value>y</Value>"
       "</Attribute></Entry><Entry><Id>2</Id></Entry>"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ReadJson(c.json), c.json);
    EXPECT_EQ(ReadForm(c.form), c.json);
    EXPECT_EQ(Xml(c.json), c.xml);
  }
}

TEST(ProtocolsTest, WhatTheShapeDoesNotHaveIsIgnored) {
  EXPECT_EQ(ReadJson(R"({"Other":[1,{}],"Text":null,"Count":5.0})"), R"({"Count":5})");
  EXPECT_EQ(ReadForm("Other.1.x=1&Action=Do&Count=5&Name.x=a"), R"({"Count":5})");
  EXPECT_EQ(ReadJson(""), "{}");
}

TEST(ProtocolsTest, OneAloneNeedsNoNumber) {
  EXPECT_EQ(ReadForm("Name=a&Tag.Name=k&Tag.Value=v"), R"({"Names":["a"],"Tags":{"k":"v"}})");
}

TEST(ProtocolsTest, NumbersOfAFormDecideTheOrder) {
  EXPECT_EQ(ReadForm("Name.10=c&Name.9=b&Name.2=a"), R"({"Names":["a","b","c"]})");
}

TEST(ProtocolsTest, RefuseWhatIsOfAnotherType) {
  for (const char* json : {R"({"Text":5})", R"({"Count":"5"})", R"({"Count":1.5})", R"({"Flag":"true"})",
                           R"({"Bytes":"*"})", R"({"Names":"a"})", R"({"Tags":[]})", R"({"Entries":[5]})", "[]", "{",
                           R"({"Text":"\ud800"})", "{\"Text\":\"\xFF\"}"}) {
    EXPECT_THAT(ReadJson(json), testing::StartsWith("SerializationException: ")) << json;
  }
  EXPECT_EQ(ReadForm("Count=x"),
            "InvalidParameterValue: Value x for parameter Count is invalid. Reason: Must be an integer.");
  EXPECT_THAT(ReadForm("Text=%FF"), testing::HasSubstr("Must be in UTF-8."));
  // An error that quoted it could not be written as JSON or XML.
  EXPECT_THAT(ReadForm("Count=1%FF"), testing::HasSubstr("Must be in UTF-8."));
  EXPECT_THAT(ReadForm("Bytes=*"), testing::HasSubstr("Must be in base64."));
  EXPECT_THAT(ReadForm("Flag=yes"), testing::HasSubstr("Must be true or false."));
}

TEST(ProtocolsTest, EscapeWhatTheirTextFormsReserve) {
  Value value;
  value.Set("Text", Value("<a & \"b\">\r\n\t\x01\\ é"));
  EXPECT_EQ(FormatJsonAnswer(kAll, value), R"({"Text":"<a & \"b\">\r\n\t\u0001\\ é"})");
  EXPECT_THAT(FormatXmlAnswer("Do", "urn:x", &kAll, value, "r-1"),
              testing::HasSubstr("<Text>&lt;a &amp; &quot;b&quot;&gt;&#xD;\n\t\x01\\ é</Text>"));
}

TEST(ProtocolsTest, AnswersOfOperationsWithAndWithoutOutput) {
  EXPECT_EQ(FormatXmlAnswer("Do", "urn:x", nullptr, Value(), "r-1"),
            "<?xml version=\"1.0\"?><DoResponse xmlns=\"urn:x\"><ResponseMetadata><RequestId>r-1</RequestId>"
            "</ResponseMetadata></DoResponse>");
  EXPECT_EQ(FormatXmlAnswer("Do", "urn:x", &kAll, Value(), "r-1"),
            "<?xml version=\"1.0\"?><DoResponse xmlns=\"urn:x\"><DoResult></DoResult><ResponseMetadata>"
            "<RequestId>r-1</RequestId></ResponseMetadata></DoResponse>");
}

TEST(ProtocolsTest, Errors) {
  AwsError error = {.code = "QueueDoesNotExist",
                    .query_code = "AWS.SimpleQueueService.NonExistentQueue",
                    .message = "It does not exist: \"<q>\".",
                    .query_message = "It does not exist for this wsdl version."};
  EXPECT_EQ(FormatJsonError(error, "com.amazonaws.sqs"),
            R"({"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"It does not exist: \"<q>\"."})");
  EXPECT_EQ(FormatXmlError(error, "urn:x", "r-1"),
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type>"
            "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
            "<Message>It does not exist for this wsdl version.</Message><Detail/></Error>"
            "<RequestId>r-1</RequestId></ErrorResponse>");
  error.query_message.clear();
  error.sender_fault = false;
  EXPECT_THAT(FormatXmlError(error, "urn:x", "r-1"),
              testing::HasSubstr("<Type>Receiver</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
                                 "<Message>It does not exist: &quot;&lt;q&gt;&quot;.</Message>"));
}

TEST(AwsErrorTest, ComesFromTheTableByTheReason) {
  const AwsError error = FromStatus(MakeError(ErrorReason::kPurgeInProgress, "Wait."));
  EXPECT_EQ(error.code, "PurgeQueueInProgress");
  EXPECT_EQ(error.query_code, "AWS.SimpleQueueService.PurgeQueueInProgress");
  EXPECT_EQ(error.http_status, 403);
  EXPECT_TRUE(error.sender_fault);
  EXPECT_EQ(error.message, "Wait.");
  EXPECT_EQ(MissingParameter("QueueUrl").query_code, "MissingParameter");
}

TEST(AwsErrorTest, AServiceThatCannotBeReachedIsUnavailable) {
  const AwsError away = FromStatus(absl::UnavailableError("connection refused"));
  EXPECT_EQ(away.code, "ServiceUnavailable");
  EXPECT_EQ(away.http_status, 503);
  EXPECT_FALSE(away.sender_fault);
  EXPECT_EQ(FromStatus(absl::UnknownError("?")).code, "InternalFailure");
}

}  // namespace
}  // namespace weir::gateway::wire
