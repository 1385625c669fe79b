#include "libs/policy/wildcard.h"

#include "absl/strings/ascii.h"

namespace weir::policy {
namespace {

// The end of the character that begins at `at`.
size_t AfterCharacter(absl::string_view text, size_t at) {
  do {
    ++at;
  } while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool IsByte(Glyph glyph, char byte, LetterCase letter_case) {
  if (glyph == Literal(byte)) return true;
  return letter_case == LetterCase::kIgnored && glyph < Glyph::kAnyCharacter &&
         absl::ascii_tolower(static_cast<unsigned char>(glyph)) == absl::ascii_tolower(static_cast<unsigned char>(byte));
}

}  // namespace

void AppendLiterals(absl::string_view text, Pattern& pattern) {
  for (const char byte : text) pattern.push_back(Literal(byte));
}

void AppendWildcards(absl::string_view text, Pattern& pattern) {
  for (const char byte : text) {
    pattern.push_back(byte == '*' ? Glyph::kAnyNumber : byte == '?' ? Glyph::kAnyCharacter : Literal(byte));
  }
}

bool Matches(absl::Span<const Glyph> pattern, absl::string_view text, LetterCase letter_case) {
  size_t in_pattern = 0;
  size_t in_text = 0;
  // Where to go on when the rest does not match: behind the last `*`, which then takes one character more. An earlier one need not: what
  // it could take, the last can.
  size_t behind_star = 0;
  size_t star_took_to = 0;
  while (in_text < text.size()) {
    const bool more = in_pattern < pattern.size();
    if (more && pattern[in_pattern] == Glyph::kAnyNumber) {
      behind_star = ++in_pattern;
      star_took_to = in_text;
    } else if (more && pattern[in_pattern] == Glyph::kAnyCharacter) {
      ++in_pattern;
      in_text = AfterCharacter(text, in_text);
    } else if (more && IsByte(pattern[in_pattern], text[in_text], letter_case)) {
      ++in_pattern;
      ++in_text;
    } else if (behind_star > 0) {
      in_pattern = behind_star;
      star_took_to = AfterCharacter(text, star_took_to);
      in_text = star_took_to;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == Glyph::kAnyNumber) ++in_pattern;
  return in_pattern == pattern.size();
}

}  // namespace weir::policy
