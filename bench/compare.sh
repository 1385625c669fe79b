#!/usr/bin/env bash
# Weir beside the SKIP LOCKED table alone, on the same PostgreSQL: bench/compare.py with these two systems. Its options apply.
#
#   bench/compare.sh [--rounds 5] [--seconds 5] [--batches "1 10"] [--connections 64] [--body 100] [--bin build/release/bin]
#                    [--target HOST:PORT --database-url URL [--server-pid PID]]
exec "$(dirname "$0")/compare.py" --systems weir,skip-locked --out "$(dirname "$0")/../build/bench" "$@"
