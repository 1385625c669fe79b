// Early return for absl::Status and absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expr` from the enclosing function unless it is OK.
#define WEIR_RETURN_IF_ERROR(expr)                    \
  do {                                                \
    ::absl::Status weir_status_ = (expr);             \
    if (!weir_status_.ok()) return weir_status_;      \
  } while (false)

#define WEIR_STATUS_CONCAT_INNER_(a, b) a##b
#define WEIR_STATUS_CONCAT_(a, b) WEIR_STATUS_CONCAT_INNER_(a, b)

// Evaluates `expr`, a StatusOr; returns its status from the enclosing function unless OK, else assigns its value to `lhs`.
#define WEIR_ASSIGN_OR_RETURN(lhs, expr) \
  WEIR_ASSIGN_OR_RETURN_IMPL_(WEIR_STATUS_CONCAT_(weir_status_or_, __LINE__), lhs, expr)
#define WEIR_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr)   \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return std::move(tmp).status();      \
  lhs = *std::move(tmp)
