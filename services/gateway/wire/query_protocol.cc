#include "services/gateway/wire/query_protocol.h"

#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace weir::gateway::wire {
namespace {

// Reads the parameters whose names begin with a prefix into what a shape says. The first error is kept.
class Reader {
 public:
  explicit Reader(const Parameters& parameters) {
    for (const auto& [name, value] : parameters) values_.emplace(name, value);
  }

  Value Read(const std::string& name, const Shape& shape) {
    switch (shape.kind) {
      case Kind::kStructure:
        return ReadStructure(absl::StrCat(name, "."), shape);
      case Kind::kList:
        return ReadList(shape.flattened ? name : absl::StrCat(name, ".member"), *shape.element);
      case Kind::kMap:
        return ReadMap(shape.flattened ? name : absl::StrCat(name, ".entry"), shape);
      default:
        return ReadScalar(name, shape.kind);
    }
  }

  Value ReadStructure(const std::string& prefix, const Shape& shape) {
    Value structure{Value::Fields()};
    for (const Member& member : shape.members) {
      Value value = Read(absl::StrCat(prefix, member.NameInQuery()), *member.shape);
      if (!value.absent()) structure.Set(member.name, std::move(value));
    }
    return structure;
  }

  const std::optional<AwsError>& error() const { return error_; }

 private:
  Value ReadScalar(const std::string& name, Kind kind) {
    const auto found = values_.find(name);
    if (found == values_.end()) return Value();
    const std::string& text = found->second;
    // Also where no text is wanted: the error would quote it.
    if (!IsUtf8(text)) return Fail(name, "", "Must be in UTF-8.");
    int64_t number = 0;
    std::string bytes;
    switch (kind) {
      case Kind::kInteger:
        if (absl::SimpleAtoi(text, &number)) return Value(number);
        return Fail(name, text, "Must be an integer.");
      case Kind::kBoolean:
        if (text == "true" || text == "false") return Value(text == "true");
        return Fail(name, text, "Must be true or false.");
      case Kind::kBlob:
        if (absl::Base64Unescape(text, &bytes)) return Value(std::move(bytes));
        return Fail(name, text, "Must be in base64.");
      default:
        return Value(text);
    }
  }

  Value ReadList(const std::string& name, const Shape& element) {
    Value list;
    // One alone may come without its number, as by hand: "AttributeName=All".
    if (values_.count(name) > 0) list.Append(Read(name, element));
    for (const auto& [number, prefix] : Numbered(name)) list.Append(Read(prefix, element));
    return list;
  }

  Value ReadMap(const std::string& name, const Shape& shape) {
    Value map;
    // The same here: "Attribute.Name=DelaySeconds&Attribute.Value=5".
    if (values_.count(absl::StrCat(name, ".", shape.key)) > 0) ReadEntry(name, shape, map);
    for (const auto& [number, prefix] : Numbered(name)) ReadEntry(prefix, shape, map);
    return map;
  }

  void ReadEntry(const std::string& prefix, const Shape& shape, Value& map) {
    const Value key = ReadScalar(absl::StrCat(prefix, ".", shape.key), Kind::kString);
    map.Set(key.text(), Read(absl::StrCat(prefix, ".", shape.value), *shape.element));
  }

  // "Tag.1", "Tag.2" …: those that there are, in the order of their numbers.
  std::map<int64_t, std::string> Numbered(const std::string& name) const {
    std::map<int64_t, std::string> found;
    const std::string prefix = absl::StrCat(name, ".");
    for (auto it = values_.lower_bound(prefix); it != values_.end() && absl::StartsWith(it->first, prefix); ++it) {
      const absl::string_view rest = absl::string_view(it->first).substr(prefix.size());
      const absl::string_view digits = rest.substr(0, rest.find('.'));
      int64_t number = 0;
      if (absl::SimpleAtoi(digits, &number)) found.emplace(number, absl::StrCat(prefix, digits));
    }
    return found;
  }

  Value Fail(absl::string_view name, absl::string_view text, absl::string_view why) {
    if (!error_.has_value()) {
      error_ = SenderError("InvalidParameterValue",
                           absl::StrCat("Value ", text, " for parameter ", name, " is invalid. Reason: ", why));
      error_->code = "InvalidParameterValueException";
    }
    return Value();
  }

  std::map<std::string, std::string> values_;
  std::optional<AwsError> error_;
};

// Markup, and carriage returns, which a parser would otherwise take for line feeds.
std::string Escaped(absl::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\r': escaped += "&#xD;"; break;
      default: escaped.push_back(c);
    }
  }
  return escaped;
}

void Open(absl::string_view name, std::string& out) { absl::StrAppend(&out, "<", name, ">"); }
void Close(absl::string_view name, std::string& out) { absl::StrAppend(&out, "</", name, ">"); }

void AppendElement(absl::string_view name, const Shape& shape, const Value& value, std::string& out);

void AppendMembers(const Shape& shape, const Value& value, std::string& out) {
  for (const Member& member : shape.members) {
    const Value& field = value[member.name];
    if (!field.absent()) AppendElement(member.NameInQuery(), *member.shape, field, out);
  }
}

void AppendMap(absl::string_view name, const Shape& shape, const Value& value, std::string& out) {
  if (!shape.flattened) Open(name, out);
  const absl::string_view entry = shape.flattened ? name : "entry";
  for (const auto& [key, element] : value.fields()) {
    Open(entry, out);
    absl::StrAppend(&out, "<", shape.key, ">", Escaped(key), "</", shape.key, ">");
    AppendElement(shape.value, *shape.element, element, out);
    Close(entry, out);
  }
  if (!shape.flattened) Close(name, out);
}

void AppendList(absl::string_view name, const Shape& shape, const Value& value, std::string& out) {
  if (!shape.flattened) Open(name, out);
  for (const Value& element : value.list()) {
    AppendElement(shape.flattened ? name : "member", *shape.element, element, out);
  }
  if (!shape.flattened) Close(name, out);
}

void AppendElement(absl::string_view name, const Shape& shape, const Value& value, std::string& out) {
  if (shape.kind == Kind::kList) return AppendList(name, shape, value, out);
  if (shape.kind == Kind::kMap) return AppendMap(name, shape, value, out);
  Open(name, out);
  switch (shape.kind) {
    case Kind::kInteger: absl::StrAppend(&out, value.number()); break;
    case Kind::kBoolean: absl::StrAppend(&out, value.truth() ? "true" : "false"); break;
    case Kind::kBlob: absl::StrAppend(&out, absl::Base64Escape(value.text())); break;
    case Kind::kStructure: AppendMembers(shape, value, out); break;
    default: absl::StrAppend(&out, Escaped(value.text()));
  }
  Close(name, out);
}

constexpr absl::string_view kDeclaration = "<?xml version=\"1.0\"?>";

}  // namespace

Outcome ParseQueryInput(const Parameters& parameters, const Shape& input) {
  Reader reader(parameters);
  Value value = reader.ReadStructure("", input);
  if (reader.error().has_value()) return *reader.error();
  return value;
}

std::string FormatXmlAnswer(absl::string_view operation, absl::string_view xml_namespace, const Shape* output,
                            const Value& value, absl::string_view request_id) {
  std::string xml = absl::StrCat(kDeclaration, "<", operation, "Response xmlns=\"", xml_namespace, "\">");
  if (output != nullptr) {
    absl::StrAppend(&xml, "<", operation, "Result>");
    AppendMembers(*output, value, xml);
    absl::StrAppend(&xml, "</", operation, "Result>");
  }
  absl::StrAppend(&xml, "<ResponseMetadata><RequestId>", request_id, "</RequestId></ResponseMetadata></", operation,
                  "Response>");
  return xml;
}

std::string FormatXmlError(const AwsError& error, absl::string_view xml_namespace, absl::string_view request_id) {
  const std::string& message = error.query_message.empty() ? error.message : error.query_message;
  return absl::StrCat(kDeclaration, "<ErrorResponse xmlns=\"", xml_namespace, "\"><Error><Type>",
                      error.sender_fault ? "Sender" : "Receiver", "</Type><Code>", Escaped(error.query_code),
                      "</Code><Message>", Escaped(message), "</Message><Detail/></Error><RequestId>", request_id,
                      "</RequestId></ErrorResponse>");
}

}  // namespace weir::gateway::wire
