// What the inputs and outputs of operations look like, said once for all protocols: tables of constants that the codecs follow.
//
//   constexpr Shape kString = {.kind = Kind::kString};
//   constexpr Member kMembers[] = {{.name = "QueueUrl", .shape = &kString, .required = true}};
//   constexpr Shape kInput = {.kind = Kind::kStructure, .members = kMembers};
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace weir::gateway::wire {

enum class Kind { kString, kInteger, kBoolean, kBlob, kList, kMap, kStructure };

struct Member;

struct Shape {
  Kind kind = Kind::kString;
  // Of a structure.
  absl::Span<const Member> members = {};
  // Of a list's elements, or of a map's values; a map's keys are strings.
  const Shape* element = nullptr;
  // Query and XML: a flattened list stands without an element of its own around its elements (Name.1 instead of Name.member.1), a
  // flattened map without one around its entries.
  bool flattened = false;
  // Query and XML: the names of a map's keys and values.
  absl::string_view key = "key";
  absl::string_view value = "value";
};

struct Member {
  absl::string_view name;
  const Shape* shape;
  // In Query and XML; empty: as in JSON. Of a flattened list, the name of one element.
  absl::string_view query_name = {};
  // In requests. An empty text is as good as none.
  bool required = false;

  absl::string_view NameInQuery() const { return query_name.empty() ? name : query_name; }
};

}  // namespace weir::gateway::wire
