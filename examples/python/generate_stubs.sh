#!/usr/bin/env bash
# Generates the Python stubs of Weir's services from proto/, into the folder "generated" beside this file or the one that is named.
# Needs Debian's protobuf-compiler, protobuf-compiler-grpc, python3-grpcio and python3-protobuf.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../../proto
out=${1:-$here/generated}

mkdir -p "$out"
cd "$proto"
protoc -I . --python_out="$out" --grpc_python_out="$out" \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
  weir/common/v1/*.proto weir/queue/v1/*.proto weir/runner/v1/*.proto
