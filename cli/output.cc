#include "cli/output.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace weir::cli {
namespace {

constexpr absl::string_view kGap = "  ";

// Length of the UTF-8 character at the front of `text`; 0 if there is none.
size_t CharacterLength(absl::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80                    ? 1
                        : lead >= 0xC2 && lead < 0xE0  ? 2
                        : lead >= 0xE0 && lead < 0xF0  ? 3
                        : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                       : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

bool IsControl(absl::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead < 0x20 || lead == 0x7F;
  return lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

void AppendEscaped(absl::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
    }
  }
}

void AppendPadded(absl::string_view text, size_t width, bool last, std::string& out) {
  absl::StrAppend(&out, text);
  if (last) return;
  out.append(width - std::min(width, DisplayWidth(text)), ' ');
  absl::StrAppend(&out, kGap);
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    const absl::string_view piece = text.substr(0, std::max<size_t>(length, 1));
    if (length == 0 || IsControl(piece)) {
      AppendEscaped(piece, out);
    } else {
      absl::StrAppend(&out, piece);
    }
    text.remove_prefix(piece.size());
  }
  return out;
}

size_t DisplayWidth(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string Table::ToString() const {
  std::vector<std::vector<std::string>> lines = {header_};
  for (const auto& row : rows_) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const std::string& cell : row) line.push_back(cell.empty() ? "-" : Printable(cell));
  }
  std::vector<size_t> widths(header_.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(line[i]));
  }
  std::string out;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      AppendPadded(line[i], widths[i], i + 1 == line.size(), out);
    }
    out.push_back('\n');
  }
  return out;
}

std::string FormatFields(const std::vector<std::pair<std::string, std::string>>& fields) {
  size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, DisplayWidth(name));
  std::string out;
  for (const auto& [name, value] : fields) {
    AppendPadded(name, width, false, out);
    absl::StrAppend(&out, value.empty() ? "-" : Printable(value), "\n");
  }
  return out;
}

std::string FormatJson(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string FormatJsonLine(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void Print(absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace weir::cli
