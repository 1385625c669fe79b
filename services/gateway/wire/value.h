// The parameters of a request, or its answer, as a tree that is the same for all protocols. A blob is its bytes: how they are written
// is the protocols' matter, and what a text means is said by the shape (shape.h).
//
// A value: copy it or move it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace weir::gateway::wire {

class Value {
 public:
  using List = std::vector<Value>;
  // Of a structure or a map, in the order in which they were set.
  using Fields = std::vector<std::pair<std::string, Value>>;

  Value() = default;  // absent
  explicit Value(std::string text) : value_(std::move(text)) {}
  explicit Value(absl::string_view text) : value_(std::string(text)) {}
  explicit Value(const char* text) : value_(std::string(text)) {}
  explicit Value(int64_t number) : value_(number) {}
  explicit Value(bool truth) : value_(truth) {}
  explicit Value(List list) : value_(std::move(list)) {}
  explicit Value(Fields fields) : value_(std::move(fields)) {}

  bool absent() const { return std::holds_alternative<std::monostate>(value_); }
  // What it holds; the empty one of that type if it holds something else.
  const std::string& text() const;
  int64_t number() const { return std::holds_alternative<int64_t>(value_) ? std::get<int64_t>(value_) : 0; }
  bool truth() const { return std::holds_alternative<bool>(value_) && std::get<bool>(value_); }
  const List& list() const;
  const Fields& fields() const;

  // A field; an absent value if there is none.
  const Value& operator[](absl::string_view name) const;
  // Nothing if it is absent.
  std::optional<int64_t> Number(absl::string_view name) const;

  // A text or a number as it reads; empty for all else.
  std::string Shown() const;

  // Appends a field. REQUIRES: absent, or fields.
  void Set(absl::string_view name, Value value);
  // Unless the text is empty.
  void SetText(absl::string_view name, absl::string_view text);
  // Appends to a list. REQUIRES: absent, or a list.
  void Append(Value value);

 private:
  std::variant<std::monostate, std::string, int64_t, bool, List, Fields> value_;
};

}  // namespace weir::gateway::wire
