#include "services/gateway/wire/json_protocol.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace weir::gateway::wire {
namespace {

using Json = nlohmann::json;

// The namespace of errors that are no service's own.
constexpr absl::string_view kCommonNamespace = "com.amazon.coral.service";

AwsError SerializationError(absl::string_view message) {
  return CommonError("SerializationException", "SerializationException", 400, message);
}

// Beyond, a double no longer holds every whole number.
constexpr double kWholeMax = 9007199254740992.0;

// The first error is kept.
class Reader {
 public:
  Value Read(const Json& json, const Shape& shape) {
    switch (shape.kind) {
      case Kind::kString: return ReadText(json);
      case Kind::kInteger: return ReadInteger(json);
      case Kind::kBoolean: return json.is_boolean() ? Value(json.get<bool>()) : Fail(json, "a Boolean");
      case Kind::kBlob: return ReadBlob(json);
      case Kind::kList: return ReadList(json, *shape.element);
      case Kind::kMap: return ReadMap(json, *shape.element);
      case Kind::kStructure: return ReadStructure(json, shape);
    }
    return Value();
  }

  const std::optional<AwsError>& error() const { return error_; }

 private:
  Value ReadText(const Json& json) {
    return json.is_string() ? Value(json.get_ref<const std::string&>()) : Fail(json, "a String");
  }

  Value ReadInteger(const Json& json) {
    if (json.is_number_integer()) return Value(json.get<int64_t>());
    if (!json.is_number_float()) return Fail(json, "an Integer");
    const double number = json.get<double>();
    if (std::trunc(number) != number || std::abs(number) > kWholeMax) return Fail(json, "an Integer");
    return Value(static_cast<int64_t>(number));
  }

  Value ReadBlob(const Json& json) {
    std::string bytes;
    if (json.is_string() && absl::Base64Unescape(json.get_ref<const std::string&>(), &bytes)) {
      return Value(std::move(bytes));
    }
    return Fail(json, "a Blob");
  }

  Value ReadList(const Json& json, const Shape& element) {
    if (!json.is_array()) return Fail(json, "a List");
    Value::List list;
    for (const Json& item : json) list.push_back(Read(item, element));
    return Value(std::move(list));
  }

  Value ReadMap(const Json& json, const Shape& element) {
    if (!json.is_object()) return Fail(json, "a Map");
    Value map{Value::Fields()};
    for (const auto& [key, item] : json.items()) {
      if (!item.is_null()) map.Set(key, Read(item, element));
    }
    return map;
  }

  Value ReadStructure(const Json& json, const Shape& shape) {
    if (!json.is_object()) return Fail(json, "a Structure");
    Value structure{Value::Fields()};
    for (const Member& member : shape.members) {
      const auto found = json.find(std::string(member.name));
      if (found != json.end() && !found->is_null()) structure.Set(member.name, Read(*found, *member.shape));
    }
    return structure;
  }

  Value Fail(const Json& json, absl::string_view wanted) {
    if (!error_.has_value()) {
      error_ = SerializationError(absl::StrCat("A value of type ", json.type_name(), " can not be converted to ", wanted));
    }
    return Value();
  }

  std::optional<AwsError> error_;
};

void AppendText(absl::string_view text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppend(&out, "\\u", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

void Append(const Shape& shape, const Value& value, std::string& out);

void AppendList(const Shape& shape, const Value& value, std::string& out) {
  out.push_back('[');
  absl::string_view separator;
  for (const Value& element : value.list()) {
    absl::StrAppend(&out, separator);
    Append(*shape.element, element, out);
    separator = ",";
  }
  out.push_back(']');
}

void AppendMap(const Shape& shape, const Value& value, std::string& out) {
  out.push_back('{');
  absl::string_view separator;
  for (const auto& [key, element] : value.fields()) {
    absl::StrAppend(&out, separator);
    AppendText(key, out);
    out.push_back(':');
    Append(*shape.element, element, out);
    separator = ",";
  }
  out.push_back('}');
}

void AppendStructure(const Shape& shape, const Value& value, std::string& out) {
  out.push_back('{');
  absl::string_view separator;
  for (const Member& member : shape.members) {
    const Value& field = value[member.name];
    if (field.absent()) continue;
    absl::StrAppend(&out, separator, "\"", member.name, "\":");
    Append(*member.shape, field, out);
    separator = ",";
  }
  out.push_back('}');
}

void Append(const Shape& shape, const Value& value, std::string& out) {
  switch (shape.kind) {
    case Kind::kString: return AppendText(value.text(), out);
    case Kind::kInteger: return absl::StrAppend(&out, value.number());
    case Kind::kBoolean: return absl::StrAppend(&out, value.truth() ? "true" : "false");
    case Kind::kBlob: return AppendText(absl::Base64Escape(value.text()), out);
    case Kind::kList: return AppendList(shape, value, out);
    case Kind::kMap: return AppendMap(shape, value, out);
    case Kind::kStructure: return AppendStructure(shape, value, out);
  }
}

}  // namespace

Outcome ParseJsonInput(absl::string_view body, const Shape& input) {
  if (body.empty()) return Value(Value::Fields());
  const Json json = Json::parse(body.begin(), body.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return SerializationError("The body of the request is not JSON");
  Reader reader;
  Value value = reader.Read(json, input);
  if (reader.error().has_value()) return *reader.error();
  return value;
}

std::string FormatJsonAnswer(const Shape& output, const Value& value) {
  std::string json;
  Append(output, value, json);
  return json;
}

std::string FormatJsonError(const AwsError& error, absl::string_view shape_namespace) {
  std::string json = "{\"__type\":";
  AppendText(absl::StrCat(error.common ? kCommonNamespace : shape_namespace, "#", error.code), json);
  json += ",\"message\":";
  AppendText(error.message, json);
  json += "}";
  return json;
}

}  // namespace weir::gateway::wire
