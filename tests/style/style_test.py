#!/usr/bin/env python3
"""Checks of the source tree that a program can make, so that reviewers need not.

  style_test.py [ROOT]    prints "file:line: what is wrong and what would be right"; exits with 1 if there is anything

Each check is a function named after its rule. It reads the tracked files and those not yet added, as git sees them.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
SERVICES = ("queue", "runner", "gateway")
FUNCTION_LINES_MAX = 70
problems = []


def complain(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def source_files(*suffixes):
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted(p for p in listed if p.endswith(suffixes) and (ROOT / p).is_file())


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def lines_of(path):
    return list(enumerate(read(path).split("\n"), start=1))


def is_test(path):
    return path.endswith(("_test.cc", "_fixture.h", "_testing.h")) or "/testing/" in path or "/conformance/" in path or path.startswith("tests/")


# ---- Layers ------------------------------------------------------------------------------------------------------------

def allowed_prefixes(path):
    """The folders that `path` may include from; None: any."""
    parts = path.split("/")
    if parts[0] == "libs":
        order = {
            "base": [], "runtime": ["base"], "observe": ["base"], "pg": ["base", "observe"],
            "grpcx": ["base", "observe", "runtime"], "policy": ["base"],
        }
        below = order.get(parts[1])
        if below is None:
            complain(path, 1, f"libs/{parts[1]} has no place in the order of libraries: give it one in style_test.py")
            below = []
        return [f"libs/{lib}/" for lib in [parts[1], *below]]
    if parts[0] == "services" and len(parts) > 3:
        own = f"services/{parts[1]}/"
        layer = parts[2]
        return {
            "core": [f"{own}core/", "libs/base/"],
            "store": [f"{own}core/", f"{own}store/", "libs/"],
            "engine": [f"{own}core/", f"{own}store/", f"{own}engine/", f"{own}config.h", "libs/"],
            "http": [f"{own}http/", "libs/"],
            "wire": [f"{own}wire/", "libs/"],
            "auth": [f"{own}auth/", f"{own}http/", f"{own}wire/", "libs/"],
            "sqs": [f"{own}wire/", f"{own}sqs/", "libs/"],
        }.get(layer, [own, "libs/"])
    if parts[0] == "services":
        return [f"services/{parts[1]}/", "libs/"]
    return None


def check_includes_obey_the_layers():
    include = re.compile(r'^#include "((?:libs|services|cli|bench|tests)/[^"]+)"')
    for path in source_files(".h", ".cc"):
        allowed = allowed_prefixes(path)
        if allowed is None:
            continue
        if is_test(path):
            allowed = [*allowed, "tests/support/", *(p.replace("core/", "") for p in allowed if p.endswith("core/")), "libs/"]
        for number, line in lines_of(path):
            match = include.match(line)
            if match and not any(match[1].startswith(prefix) for prefix in allowed):
                complain(path, number, f"includes {match[1]}; this folder may include from {', '.join(allowed)} only")


def check_the_interface_of_a_store_is_all_that_the_engine_sees():
    for path in source_files(".h", ".cc"):
        if "/engine/" not in path and "/api/" not in path or is_test(path):
            continue
        for number, line in lines_of(path):
            if re.match(r'#include "services/\w+/store/(pg|memory|faulty)/', line):
                complain(path, number, "includes an implementation of the store; only main and tests choose one")


def check_the_core_is_pure():
    forbidden = re.compile(
        r'#include (<(mutex|thread|condition_variable|atomic|future|chrono)>|<(grpc|google/protobuf|pqxx)|"weir/|"libs/base/(clock|mutex)'
        r'|"absl/(synchronization|time/clock))|absl::Now\(|std::chrono|pqxx::|absl::SleepFor')
    for path in source_files(".h", ".cc"):
        if re.match(r"services/\w+/core/", path) and not is_test(path):
            for number, line in lines_of(path):
                if forbidden.search(line):
                    complain(path, number, "the core has no mutex, thread, clock, protobuf or SQL: what it needs is passed in")


def check_pqxx_stays_in_the_stores():
    for path in source_files(".h", ".cc"):
        if path.startswith("libs/pg/") or "/store/pg/" in path or is_test(path):
            continue
        for number, line in lines_of(path):
            if "pqxx" in line and not line.strip().startswith("//"):
                complain(path, number, "libpqxx is used under libs/pg and store/pg only")


def check_one_mutex_is_used_everywhere():
    for path in source_files(".h", ".cc"):
        for number, line in lines_of(path):
            if re.search(r"absl::(Mutex|MutexLock|CondVar|Notification)\b", line) and not line.strip().startswith("//"):
                complain(path, number, "use libs/base/mutex.h: ThreadSanitizer does not see Abseil's mutex")


# ---- Files -------------------------------------------------------------------------------------------------------------

def check_headers_open_with_their_contract():
    for path in source_files(".h"):
        text = read(path)
        if not text.startswith("// "):
            complain(path, 1, "a header opens with a comment: what it is for, who may call it, what stays true")
        if "#pragma once" not in text:
            complain(path, 1, "a header needs #pragma once")


def check_every_test_belongs_to_a_target():
    for path in source_files("_test.cc"):
        name = path.rsplit("/", 1)[1]
        folder = (ROOT / path).parent
        lists = [d / "CMakeLists.txt" for d in (folder, *folder.parents) if d.is_relative_to(ROOT)]
        if not any(f.exists() and name in f.read_text() for f in lists):
            complain(path, 1, "stands in no CMakeLists.txt, so it never runs")


def check_tests_do_not_sleep():
    sleep = re.compile(r"sleep_for|sleep_until|SleepFor|usleep|nanosleep|\bsleep\(")
    for path in source_files("_test.cc"):
        for number, line in lines_of(path):
            if sleep.search(line):
                complain(path, number, "tests wait for a named event, they do not sleep")


def check_migrations_say_why():
    for path in source_files(".sql"):
        if "/schema/" in path and not read(path).startswith("-- "):
            complain(path, 1, "a migration opens with a comment that says why")
        if "/schema/" in path and not re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", path.rsplit("/", 1)[1]):
            complain(path, 1, "a migration is named NNNN_what_it_does.sql")


def check_every_library_and_service_has_a_readme():
    folders = {"/".join(p.split("/")[:2]) for p in source_files("CMakeLists.txt") if re.match(r"(libs|services)/\w+/", p)}
    for folder in sorted(folders):
        if not (ROOT / folder / "README.md").exists():
            complain(folder, 1, "needs a README.md: what it is for and its main path")


def check_functions_keep_to_one_thought():
    """A function's body, from the line of its opening brace at column 0 or 2 to the closing one, has at most 70 lines."""
    opening = re.compile(r"^(  )?[\w:<>~&*,\s\[\]()=.\"-]*\)[\w\s()&:{},.*->]*\{$")
    for path in source_files(".cc"):
        if is_test(path):
            continue
        start = None
        for number, line in lines_of(path):
            if start is None and opening.match(line) and not line.lstrip().startswith(("namespace", "}")):
                start, indent = number, len(line) - len(line.lstrip())
            elif start is not None and line == " " * indent + "}":
                if number - start > FUNCTION_LINES_MAX:
                    complain(path, start, f"a function of {number - start} lines; {FUNCTION_LINES_MAX} are the most")
                start = None


def check_nothing_names_a_machine():
    place = re.compile(r"/work/|/root/|/home/\w+/")
    for path in source_files(".h", ".cc", ".py", ".md", ".txt", ".sh", ".proto", ".sql", ".json", "Makefile", "run"):
        if path.startswith("tests/style/"):
            continue
        for number, line in lines_of(path):
            if place.search(line):
                complain(path, number, "names a path of one machine")


# ---- Protocol buffers --------------------------------------------------------------------------------------------------

def check_protos():
    for path in source_files(".proto"):
        text = read(path)
        package = re.search(r"^package ([\w.]+);", text, re.M)
        folder = path.removeprefix("proto/").rsplit("/", 1)[0].replace("/", ".")
        if not package or package[1] != folder:
            complain(path, 1, f"its package must be {folder}, as its folder")
        if package and not re.search(r"\.v\d+$", package[1]):
            complain(path, 1, "a package ends in a version")
        if re.search(r"^service \w+ \{", text, re.M) and not path.endswith("_service.proto"):
            complain(path, 1, "a service stands in a file of its name, *_service.proto")
        for match in re.finditer(r"rpc (\w+)\((\w+)\) returns \((?:stream )?(\w+)\)", text):
            number = text[: match.start()].count("\n") + 1
            name, request, response = match.groups()
            if request != f"{name}Request" or response != f"{name}Response":
                complain(path, number, f"{name} takes {name}Request and returns {name}Response")
            if not text[: match.start()].rstrip().split("\n")[-1].strip().startswith("//"):
                complain(path, number, f"{name} needs a comment: what OK promises, errors, whether it may be retried")
        for match in re.finditer(r"^enum (\w+) \{\n((?:\s*//.*\n)*)\s*(\w+) = (\d+);", text, re.M):
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", match[1]).upper()
            if match[3] != f"{prefix}_UNSPECIFIED" or match[4] != "0":
                complain(path, text[: match.start()].count("\n") + 1, f"{match[1]} starts with {prefix}_UNSPECIFIED = 0")


def check_generated_tables_are_current():
    result = subprocess.run([sys.executable, ROOT / "tools/gen_errors.py", "--check"], capture_output=True, text=True)
    if result.returncode != 0:
        complain("proto/weir/common/v1/errors.json", 1, (result.stdout + result.stderr).strip())


def main():
    checks = [f for name, f in sorted(globals().items()) if name.startswith("check_")]
    for check in checks:
        check()
    for problem in problems:
        print(problem)
    print(f"{len(checks)} rules, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
