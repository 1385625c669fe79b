#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/units.h"

namespace weir::cli {

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& value,
                         const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value, name](const std::string& text) {
            const auto parsed = ParseDuration(text);
            if (!parsed.ok()) {
              throw CLI::ValidationError(name, std::string(parsed.status().message()));
            }
            value = *parsed;
          },
          description)
      ->type_name(kDurationType)->default_str(DurationText(value));
}

void SetExamples(CLI::App& app, const std::vector<std::string>& examples) {
  std::string footer = "Examples:";
  for (const std::string& example : examples) absl::StrAppend(&footer, "\n  ", example);
  app.footer(footer);
}

}  // namespace weir::cli
