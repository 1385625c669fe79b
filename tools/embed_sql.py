#!/usr/bin/env python3
"""Writes the migrations of one component (NNNN_name.sql) as C++: OUT.h and OUT.cc. Called by the build (weir_embed_sql)."""

import argparse
import pathlib
import re
import sys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--include", required=True, help="how the header is included")
    parser.add_argument("--out", required=True, help="path without .h and .cc")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()

    entries = []
    for expected, path in enumerate(sorted(args.files), start=1):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if not match or int(match[1]) != expected:
            sys.exit(f"{path}: expected {expected:04}_name.sql: migrations are numbered from 1 without gaps")
        sql = path.read_text()
        if not sql.startswith("--"):
            sys.exit(f"{path}: begins with a comment that says why it is there")
        entries.append(f'    {{{expected}, "{match[2]}", R"weirsql({sql})weirsql"}},\n')

    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".gen.h").write_text(
        "#pragma once\n"
        '#include "absl/types/span.h"\n'
        '#include "libs/pg/migrator.h"\n'
        f"namespace {args.namespace} {{\n"
        "absl::Span<const weir::pg::Migration> Migrations();\n"
        "}\n")
    out.with_suffix(".gen.cc").write_text(
        f'#include "{args.include}"\n'
        f"namespace {args.namespace} {{\n"
        "absl::Span<const weir::pg::Migration> Migrations() {\n"
        "  static const weir::pg::Migration kMigrations[] = {\n" + "".join(entries) + "  };\n"
        "  return kMigrations;\n"
        "}\n"
        "}\n")


if __name__ == "__main__":
    main()
