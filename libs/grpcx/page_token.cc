#include "libs/grpcx/page_token.h"

#include <zlib.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "weir/internal/token/v1/page_token.pb.h"

namespace weir::grpcx {
namespace {

uint32_t QueryHash(absl::string_view query) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(query.data()), static_cast<uInt>(query.size())));
}

}  // namespace

std::string FormatPageToken(absl::string_view after, absl::string_view query) {
  internal::token::v1::PageToken token;
  token.set_after(std::string(after));
  token.set_query_hash(QueryHash(query));
  return absl::WebSafeBase64Escape(token.SerializeAsString());
}

absl::StatusOr<std::string> ParsePageToken(absl::string_view text, absl::string_view query) {
  if (text.empty()) return std::string();
  std::string bytes;
  internal::token::v1::PageToken token;
  if (!absl::WebSafeBase64Unescape(text, &bytes) || !token.ParseFromString(bytes) ||
      token.query_hash() != QueryHash(query)) {
    return MakeError(ErrorReason::kPageTokenInvalid,
                     absl::StrCat("Value \"", text,
                                  "\" for page_token is invalid: use next_page_token of the page "
                                  "before, with the same parameters."),
                     {{"field", "page_token"}});
  }
  return token.after();
}

}  // namespace weir::grpcx
