// What commands print: a table for people, or one JSON document for programs. Results go to stdout, everything else to stderr.
//
// Not thread-safe: one thread prints.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace weir::cli {

// Fields stay in the order in which they are set, and keep their names from version to version.
using Json = nlohmann::ordered_json;

// Columns side by side, aligned, two spaces apart, no borders. Control characters are shown as escapes, so that a message cannot
// break the layout or speak to the terminal.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  // REQUIRES: as many cells as the header has.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string ToString() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// "name   value" lines, for one resource.
std::string FormatFields(const std::vector<std::pair<std::string, std::string>>& fields);

// Escapes control characters, and bytes that are not UTF-8.
std::string Printable(absl::string_view text);
// Of UTF-8 text, counting code points.
size_t DisplayWidth(absl::string_view text);

// Indented, with a line feed at the end. Strings that are not UTF-8 get U+FFFD in the places that are not.
std::string FormatJson(const Json& document);
// The same on one line.
std::string FormatJsonLine(const Json& document);

// Writes to stdout, all of it, at once.
void Print(absl::string_view text);

}  // namespace weir::cli
