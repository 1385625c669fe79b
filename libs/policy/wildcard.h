// Texts with wildcards: `*` stands for any number of characters, `?` for exactly one. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace weir::policy {

// What stands at one place of a pattern: a byte that must be there, or a wildcard. So a byte that was filled in from a request never
// counts as a wildcard.
enum class Glyph : uint16_t { kAnyCharacter = 0x100, kAnyNumber = 0x101 };
constexpr Glyph Literal(char byte) { return static_cast<Glyph>(static_cast<unsigned char>(byte)); }

using Pattern = std::vector<Glyph>;

void AppendLiterals(absl::string_view text, Pattern& pattern);
// `*` and `?` of the text become wildcards.
void AppendWildcards(absl::string_view text, Pattern& pattern);

enum class LetterCase { kCounts, kIgnored };  // of ASCII

// The whole of `text`. `?` takes a whole character of UTF-8. Takes at most |pattern| times |text| steps.
bool Matches(absl::Span<const Glyph> pattern, absl::string_view text, LetterCase letter_case = LetterCase::kCounts);

}  // namespace weir::policy
