#include "libs/pg/dsn.h"

#include <libpq-fe.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"

namespace weir::pg {
namespace {

absl::StatusOr<std::map<std::string, std::string>> Parse(absl::string_view dsn) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(std::string(dsn).c_str(), &error), PQconninfoFree);
  if (options == nullptr) {
    const std::string message = error != nullptr ? error : "out of memory";
    PQfreemem(error);
    return absl::InvalidArgumentError(
        absl::StrCat("The database URL cannot be read: ", message,
                     "It must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE."));
  }
  std::map<std::string, std::string> values;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) values[option->keyword] = option->val;
  }
  return values;
}

std::string Format(const std::map<std::string, std::string>& values) {
  std::string out;
  for (const auto& [keyword, value] : values) {
    absl::StrAppend(&out, out.empty() ? "" : " ", keyword, "='");
    for (const char c : value) {
      if (c == '\'' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('\'');
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> WithDefaults(
    absl::string_view dsn, const std::vector<std::pair<std::string, std::string>>& settings) {
  auto values = Parse(dsn);
  if (!values.ok()) return values.status();
  for (const auto& [keyword, value] : settings) values->emplace(keyword, value);
  return Format(*values);
}

absl::StatusOr<std::string> WithOption(absl::string_view dsn, absl::string_view option) {
  auto values = Parse(dsn);
  if (!values.ok()) return values.status();
  // The server takes the last of two.
  std::string& options = (*values)["options"];
  options = options.empty() ? std::string(option) : absl::StrCat(option, " ", options);
  return Format(*values);
}

std::string Redacted(absl::string_view dsn) {
  auto values = Parse(dsn);
  if (!values.ok()) return "(unreadable)";
  values->erase("password");
  return Format(*values);
}

}  // namespace weir::pg
