// weir access-key create, list, disable, enable: they work on the file of access keys, not on a service.
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "services/gateway/auth/access_key_file.h"

namespace weir::cli {
namespace {

using gateway::auth::AccessKey;

constexpr char kAccessKeyType[] = "ID";

struct Options {
  std::string file = ".weir/access-keys.json";
  bool file_given = false;
  std::string master;  // empty: beside the file
  std::string description;
  std::string id;
};

std::string StateName(const AccessKey& key) { return key.disabled ? "disabled" : "enabled"; }

std::string Time(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

Json ToJson(const AccessKey& key) {
  return {{"id", key.id},
          {"account", key.account},
          {"created_at", Time(key.created_at)},
          {"state", StateName(key)},
          {"description", key.description}};
}

// The folder of `weir up` is made, as that does; another must be there, so that a slip of the pen makes no folder.
absl::Status MakeDefaultFolder(const Options& options) {
  if (options.file_given) return absl::OkStatus();
  const std::filesystem::path folder = std::filesystem::path(options.file).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("Cannot make the folder ", folder.string(), ": ", error.message(), "."));
}

absl::StatusOr<ExitCode> Create(Session& session, const Options& options) {
  const gateway::auth::NewAccessKey wanted{session.account, options.description};
  const absl::Status valid = Validate(wanted);
  if (!valid.ok()) return UsageError(std::string(valid.message()));
  WEIR_RETURN_IF_ERROR(MakeDefaultFolder(options));
  const std::string master = gateway::auth::MasterPath(options.file, options.master);
  WEIR_ASSIGN_OR_RETURN(const AccessKey key, CreateAccessKey(options.file, master, wanted, SystemClock().Now()));
  Json document = ToJson(key);
  document["secret"] = key.secret;
  document["file"] = options.file;
  document["master_file"] = master;
  session.PrintResult(document,
                      absl::StrCat(FormatFields({{"Access key", key.id}, {"Secret", key.secret}, {"Account", key.account}}),
                                   "\nFor ~/.aws/credentials:\n\n[weir]\naws_access_key_id = ", key.id,
                                   "\naws_secret_access_key = ", key.secret, "\n"));
  session.Remark("The secret is shown this once. It stands sealed in " + options.file + ", under the master key in " + master + ".");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(Session& session, const Options& options) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<AccessKey> keys, gateway::auth::ListAccessKeys(options.file));
  Json document{{"access_keys", Json::array()}};
  Table table({"ACCESS KEY", "ACCOUNT", "CREATED", "STATE", "DESCRIPTION"});
  for (const AccessKey& key : keys) {
    document["access_keys"].push_back(ToJson(key));
    table.AddRow({key.id, key.account, Time(key.created_at), StateName(key), key.description});
  }
  session.PrintResult(document, table.ToString());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> SetDisabled(Session& session, const Options& options, bool disabled) {
  WEIR_ASSIGN_OR_RETURN(const AccessKey key, gateway::auth::SetAccessKeyDisabled(options.file, options.id, disabled));
  session.PrintResult(ToJson(key), absl::StrCat("Access key ", key.id, " of account ", key.account, " is ", StateName(key), ".\n"));
  return ExitCode::kOk;
}

CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& about, const std::shared_ptr<Options>& options) {
  CLI::App* command = parent.add_subcommand(name, about);
  command
      ->add_option_function<std::string>(
          "--file",
          [options](const std::string& file) {
            options->file = file;
            options->file_given = true;
          },
          "File of the access keys")
      ->type_name("FILE")->default_str(options->file);
  return command;
}

void AddSetDisabled(CLI::App& parent, Session& session, bool disabled) {
  const auto options = std::make_shared<Options>();
  const std::string name = disabled ? "disable" : "enable";
  CLI::App* command = AddCommand(parent, name, disabled ? "Refuse what is signed with a key, from the next second on"
                                                        : "Take what is signed with a key again", options);
  command->add_option("id", options->id, "Access key")->type_name(kAccessKeyType)->required();
  SetExamples(*command, {absl::StrCat("weir access-key ", name, " AKIAIOSFODNN7EXAMPLE")});
  command->callback([&session, options, disabled] {
    session.action = [&session, options, disabled] { return SetDisabled(session, *options, disabled); };
  });
}

}  // namespace

void AddAccessKeyCommands(CLI::App& app, Session& session) {
  CLI::App* access_key = app.add_subcommand("access-key", "Manage the keys with which requests to the gateway are signed");
  access_key->require_subcommand(1);

  const auto create_options = std::make_shared<Options>();
  CLI::App* create = AddCommand(*access_key, "create", "Make a key of --account, and show its secret this once", create_options);
  create->add_option("--master", create_options->master, "File of the master key [access-keys.master beside --file]")->type_name("FILE");
  create->add_option("--description", create_options->description, "What it is for, or whose it is")->type_name("TEXT");
  SetExamples(*create, {"weir access-key create --description 'the shop'",
                        "weir access-key create --account 111122223333 --file /etc/weir/access-keys.json"});
  create->callback([&session, create_options] {
    session.action = [&session, create_options] { return Create(session, *create_options); };
  });

  const auto list_options = std::make_shared<Options>();
  CLI::App* list = AddCommand(*access_key, "list", "Show the keys, without their secrets", list_options);
  SetExamples(*list, {"weir access-key list", "weir access-key list -o json"});
  list->callback([&session, list_options] { session.action = [&session, list_options] { return List(session, *list_options); }; });

  AddSetDisabled(*access_key, session, /*disabled=*/true);
  AddSetDisabled(*access_key, session, /*disabled=*/false);
}

}  // namespace weir::cli
