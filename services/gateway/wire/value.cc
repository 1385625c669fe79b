#include "services/gateway/wire/value.h"

#include "absl/strings/str_cat.h"

namespace weir::gateway::wire {
namespace {

template <typename T, typename Variant>
const T& HeldOrEmpty(const Variant& value) {
  static const T kEmpty;
  const T* held = std::get_if<T>(&value);
  return held != nullptr ? *held : kEmpty;
}

}  // namespace

const std::string& Value::text() const { return HeldOrEmpty<std::string>(value_); }
const Value::List& Value::list() const { return HeldOrEmpty<List>(value_); }
const Value::Fields& Value::fields() const { return HeldOrEmpty<Fields>(value_); }

const Value& Value::operator[](absl::string_view name) const {
  static const Value kAbsent;
  for (const auto& [key, value] : fields()) {
    if (key == name) return value;
  }
  return kAbsent;
}

std::optional<int64_t> Value::Number(absl::string_view name) const {
  const Value& value = (*this)[name];
  if (value.absent()) return std::nullopt;
  return value.number();
}

std::string Value::Shown() const {
  return std::holds_alternative<int64_t>(value_) ? absl::StrCat(number()) : text();
}

void Value::Set(absl::string_view name, Value value) {
  if (absent()) value_ = Fields();
  std::get<Fields>(value_).emplace_back(std::string(name), std::move(value));
}

void Value::SetText(absl::string_view name, absl::string_view text) {
  if (!text.empty()) Set(name, Value(text));
}

void Value::Append(Value value) {
  if (absent()) value_ = List();
  std::get<List>(value_).push_back(std::move(value));
}

}  // namespace weir::gateway::wire
