#include "libs/policy/wildcard.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

namespace weir::policy {
namespace {

bool MatchesText(absl::string_view pattern, absl::string_view text, LetterCase letter_case = LetterCase::kCounts) {
  Pattern glyphs;
  AppendWildcards(pattern, glyphs);
  return Matches(glyphs, text, letter_case);
}

TEST(WildcardTest, Table) {
  const struct {
    absl::string_view pattern, text;
    bool matches;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "", false},
      {"a", "a", true},
      {"a", "A", false},
      {"a", "ab", false},
      {"*", "", true},
      {"*", "anything: at/all", true},
      {"**", "a", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"??", "ab", true},
      {"a*", "a", true},
      {"a*", "abc", true},
      {"*c", "abc", true},
      {"*c", "abcd", false},
      {"a*c", "ac", true},
      {"a*c", "abcbc", true},
      {"a*b*c", "a1b2b3c", true},
      {"a*b*c", "acb", false},
      {"*ab", "aab", true},
      {"a?*", "a", false},
      {"a?*", "ab", true},
      {"*?", "", false},
      {"sqs:*", "sqs:SendMessage", true},
      {"sqs:*Message", "sqs:SendMessage", true},
      {"sqs:*Message", "sqs:SendMessageBatch", false},
      {"arn:aws:sqs:*:*:orders-?", "arn:aws:sqs:eu-west-1:111122223333:orders-7", true},
      {"arn:aws:sqs:*:orders", "arn:aws:sqs:eu-west-1:111122223333:orders", true},
      {"?", "é", true},
      {"??", "é", false},
      {"*?", "é", true},
      {"*??", "é", false},
      {"a?c", "a€c", true},
      {"[a]", "a", false},
      {"\\*", "*", false},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(MatchesText(each.pattern, each.text), each.matches) << "\"" << each.pattern << "\" on \"" << each.text << "\"";
  }
}

TEST(WildcardTest, TheCaseOfLettersCanBeIgnored) {
  EXPECT_TRUE(MatchesText("SQS:send*E", "sqs:SendMessage", LetterCase::kIgnored));
  EXPECT_FALSE(MatchesText("SQS:send*F", "sqs:SendMessage", LetterCase::kIgnored));
  EXPECT_FALSE(MatchesText("@", "`", LetterCase::kIgnored)) << "only letters have a case";
}

TEST(WildcardTest, ALiteralIsNoWildcard) {
  Pattern pattern;
  AppendLiterals("a*?", pattern);
  EXPECT_TRUE(Matches(pattern, "a*?"));
  EXPECT_FALSE(Matches(pattern, "abc"));
}

TEST(WildcardTest, ManyStarsTakeNoLongerThanTheyMust) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesText(pattern + "b", std::string(4000, 'a')));
}

// Says the same in the plainest way.
bool Reference(absl::string_view pattern, absl::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') return Reference(pattern.substr(1), text) || (!text.empty() && Reference(pattern, text.substr(1)));
  return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) && Reference(pattern.substr(1), text.substr(1));
}

TEST(WildcardTest, AgreesWithAReference) {
  const char* given = std::getenv("WEIR_SEED");
  const uint64_t seed = given == nullptr ? std::random_device()() : std::strtoull(given, nullptr, 10);
  std::mt19937_64 random(seed);
  const auto text_of = [&](absl::string_view letters, size_t length_max) {
    std::string text(random() % (length_max + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  int matches = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string pattern = text_of("aab*?", 8);
    const std::string text = text_of("ab", 10);
    const bool expected = Reference(pattern, text);
    matches += expected ? 1 : 0;
    ASSERT_EQ(MatchesText(pattern, text), expected) << "\"" << pattern << "\" on \"" << text << "\", WEIR_SEED=" << seed;
  }
  EXPECT_GT(matches, 1000);
}

}  // namespace
}  // namespace weir::policy
