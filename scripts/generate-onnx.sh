#!/usr/bin/env bash
# Makes Sources/Interchange/ONNX/Schema/onnx.pb.swift of onnx.proto beside it.
# Needs protoc (Debian: protobuf-compiler) and protoc-gen-swift, which this builds once from the swift-protobuf
# package that Package.swift names (some minutes); PROTOC_GEN_SWIFT names one that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
schema=Sources/Interchange/ONNX/Schema

if ! command -v protoc >/dev/null; then
    echo "protoc is missing: apt-get install protobuf-compiler" >&2
    exit 1
fi
plugin=${PROTOC_GEN_SWIFT:-}
if [ -z "$plugin" ]; then
    swift build -c release --product protoc-gen-swift >&2
    plugin=$(swift build -c release --show-bin-path)/protoc-gen-swift
fi
protoc --plugin=protoc-gen-swift="$plugin" --proto_path="$schema" --swift_opt=Visibility=Package --swift_out="$schema" onnx.proto
echo "$schema/onnx.pb.swift"
