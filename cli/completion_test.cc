#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"

namespace weir::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() {
    app_.fallthrough();
    app_.add_option("-o,--output", output_, "");
    AddQueueCommands(app_, session_);
    AddMessageCommands(app_, session_);
    AddFunctionCommands(app_, session_);
    AddCompletionCommands(app_, session_);
  }

  std::vector<std::string> CompletionsOf(const std::vector<std::string>& words) {
    return Complete(app_, words, [](absl::string_view type) -> std::vector<std::string> {
      if (type == kQueueType) return {"orders", "orders-dlq", "mail"};
      if (type == kFunctionType) return {"order-consumer"};
      return {};
    });
  }

  CLI::App app_{"", "weir"};
  Session session_;
  std::string output_;
};

TEST_F(CompletionTest, OffersCommandsAndHidesItsOwn) {
  EXPECT_THAT(CompletionsOf({"se"}), ElementsAre("send"));
  EXPECT_THAT(CompletionsOf({"queue", ""}),
              ElementsAre("add-permission", "create", "delete", "describe", "groups", "list", "peek", "purge",
                          "remove-permission", "tag", "untag", "update"));
  EXPECT_THAT(CompletionsOf({"__"}), IsEmpty());
}

TEST_F(CompletionTest, OffersFlagsOfTheCommandAndOfEveryCommand) {
  EXPECT_THAT(CompletionsOf({"receive", "orders", "--vis"}), ElementsAre("--visibility-timeout"));
  EXPECT_THAT(CompletionsOf({"receive", "--"}), Contains("--output"));
}

TEST_F(CompletionTest, OffersNamesOfQueuesAndFunctions) {
  EXPECT_THAT(CompletionsOf({"send", "ord"}), ElementsAre("orders", "orders-dlq"));
  EXPECT_THAT(CompletionsOf({"queue", "create", "a", "--dead-letter-queue", "orders-"}), ElementsAre("orders-dlq"));
  EXPECT_THAT(CompletionsOf({"function", "logs", ""}), ElementsAre("order-consumer"));
}

TEST_F(CompletionTest, OffersNothingForTheBodyOfAMessage) {
  EXPECT_THAT(CompletionsOf({"send", "orders", ""}), IsEmpty());
}

TEST_F(CompletionTest, OffersValuesAndSkipsThoseThatAreThere) {
  EXPECT_THAT(CompletionsOf({"--output", ""}), ElementsAre("json", "table"));
  EXPECT_THAT(CompletionsOf({"-o", "json", "queue", "li"}), ElementsAre("list"));
  EXPECT_THAT(CompletionsOf({"completion", ""}), ElementsAre("bash", "fish", "zsh"));
}

TEST_F(CompletionTest, HasAScriptForEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_THAT(CompletionScript(shell), testing::HasSubstr("__complete -- ")) << shell;
  }
  EXPECT_EQ(CompletionScript("tcsh"), "");
}

}  // namespace
}  // namespace weir::cli
