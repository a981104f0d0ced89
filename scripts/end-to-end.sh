#!/usr/bin/env bash
# The whole path on the PNG sample against an emulator of its own, then every kind of bad input the commands promise to
# refuse: one clear sentence, the documented exit code, nothing changed. Ends with a line that counts the checks.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tool=$root/.build/release/deai-train
sample=$root/datasets/fashion-mnist-sample
work=$(mktemp -d)
state=$work/emulator
export DEAI_IDENTITY=$work/identity.pem DEAI_WASMTIME=$root/.deps/libwasmtime.so DEAI_DATASETS=$root/datasets
passed=0 failed=0

finish() {
    "$tool" emulator stop --state "$state" >/dev/null 2>&1
    umount "$work/small" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

# expect CODE PATTERN COMMAND...: the exit code is CODE, and what is printed matches the extended regular expression.
expect() {
    local code=$1 pattern=$2
    shift 2
    local output status
    output=$("$@" 2>&1 </dev/null)
    status=$?
    if [ $status = "$code" ] && grep -qE -- "$pattern" <<<"$output"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'end-to-end: expected exit code %s and /%s/, got %s from: %s\n%s\n' \
            "$code" "$pattern" "$status" "$*" "$output" >&2
    fi
}

# check NAME COMMAND...: the command succeeds.
check() {
    local name=$1
    shift
    if "$@" >/dev/null 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "end-to-end: $name" >&2
    fi
}

field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p" | head -n 1; }
digest() { sha256sum "$1" | cut -d' ' -f1; }
weights() { "$tool" inspect "$1" --checkpoint last --json | field weightHash; }

cd "$work"

echo "end-to-end: train, interrupt, resume"
fit=("$tool" fit --dataset "$sample" --model lenet5 --epochs 12 --seed 1 --executor portable)
expect 0 'test accuracy' "${fit[@]}" --run whole --threads 2
expect 0 'test accuracy' "${fit[@]}" --run serial --threads 1
check "threads 1 and 2 end in other weights" test "$(digest whole/checkpoints/last.ckpt)" = "$(digest serial/checkpoints/last.ckpt)"
"${fit[@]}" --run stopped >stopped.log 2>&1 &
fitting=$!
for _ in $(seq 200); do grep -q 'epoch 2/' stopped.log && break; sleep 0.05; done
kill -INT $fitting
wait $fitting
check "an interrupted fit exits with 130" test $? = 130
expect 0 'test accuracy' "${fit[@]}" --run stopped --resume
check "an interrupted and resumed run ends in other weights" test "$(digest whole/checkpoints/last.ckpt)" = "$(digest stopped/checkpoints/last.ckpt)"

echo "end-to-end: export, evaluate, inspect"
expect 0 'int8 accuracy' "$tool" export whole --int8 -o model.deai
expect 0 '"accuracy":0\.[5-9].*"event":"finished"' "$tool" evaluate model.deai --json
expect 0 '"event":"finished"' "$tool" evaluate whole --json
expect 0 'lenet5 \(int8\)' "$tool" inspect model.deai
expect 2 'required' "$tool" evaluate model.deai --require-accuracy 0.999
cp model.deai again.deai
expect 0 'int8 accuracy' "$tool" export whole --int8 -o again.deai
check "the same run gives another file" cmp model.deai again.deai

echo "end-to-end: emulator, canister, upload, query"
expect 69 'emulator start' "$tool" query "$sample"/test/bag/*.png --network http://127.0.0.1:9 --canister aaaaa-aa
expect 0 'ready' "$tool" emulator start --background --port 0 --state "$state"
address() { "$tool" emulator status --state "$state" --json | field address; }
network=$(address)
port=${network##*:}
at=(--network "$network")
expect 0 'created' "$tool" canister create "${at[@]}"
expect 0 'module hash' "$tool" canister install "$root/build/canister.wasm" "${at[@]}"
expect 1 'model' "$tool" query "$sample"/test/bag/*.png "${at[@]}"
expect 0 'model hash' "$tool" upload model.deai "${at[@]}"
expect 0 'Bag .*instructions' "$tool" query "$sample"/test/bag/*.png "${at[@]}"
expect 0 ', certified' "$tool" query "$sample"/test/bag/*.png --certified "${at[@]}"
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"
expect 0 'running' "$tool" canister status classifier "${at[@]}"
expect 0 'version 1' "$tool" models "${at[@]}"
expect 0 'module hash' "$tool" canister upgrade "$root/build/canister.wasm" "${at[@]}"
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"

echo "end-to-end: killed and restarted"
"$tool" emulator status --state "$state" --json | field process | xargs kill -9
sleep 0.2
expect 0 'ready' "$tool" emulator start --background --port "$port" --state "$state"
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"

expect 0 'test accuracy' "$tool" fit --dataset "$sample" --model mlp --epochs 2 --run mlp
expect 0 'int8 accuracy' "$tool" export mlp --int8 -o mlp.deai
slow_upload() { "$tool" upload mlp.deai --chunk-bytes 256 --parallel 1 "${at[@]}" >upload.log 2>&1 & uploading=$!; }
some_chunks() { for _ in $(seq 400); do [ "$(grep -c sent upload.log)" -ge 5 ] && break; sleep 0.01; done; }
slow_upload
some_chunks
kill -9 $uploading
wait $uploading 2>/dev/null
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"
slow_upload
some_chunks
"$tool" emulator status --state "$state" --json | field process | xargs kill -9
wait $uploading
check "an upload to a killed emulator exits with 69" test $? = 69
expect 0 'ready' "$tool" emulator start --background --port "$port" --state "$state"
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"
expect 0 'model hash' "$tool" upload mlp.deai --chunk-bytes 256 "${at[@]}"
check "a resumed upload sends everything again" test "$(field chunksSkipped <mlp.deai.receipt.json)" -ge 10
expect 0 '200 of 200' "$tool" verify-onchain mlp.deai "${at[@]}"
expect 0 'version' "$tool" rollback 1 "${at[@]}"
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"

echo "end-to-end: bad input"
python3 - "$work" "$sample" <<'PYTHON'
import gzip, pathlib, shutil, struct, sys, zlib
work, sample = map(pathlib.Path, sys.argv[1:])

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(width, height, data):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", data) + chunk(b"IEND", b""))

good = next((sample / "test" / "bag").glob("*.png")).read_bytes()
(work / "good.png").write_bytes(good)
(work / "huge.png").write_bytes(png(60000, 60000, zlib.compress(bytes(1000))))
(work / "bomb.png").write_bytes(png(28, 28, zlib.compress(bytes(50_000_000), 9)))
(work / "cut.png").write_bytes(good[:len(good) // 2])
(work / "damaged.png").write_bytes(good[:60] + bytes([good[60] ^ 1]) + good[61:])
(work / "text.png").write_bytes(b"not a picture")
(work / "text.deai").write_bytes(b"not a model")
model = (work / "model.deai").read_bytes()
(work / "cut.deai").write_bytes(model[:-1])
(work / "damaged.deai").write_bytes(model[:9000] + bytes([model[9000] ^ 1]) + model[9001:])
for name in ("huge", "bomb", "cut"):
    folder = work / f"tree-{name}" / "train"
    for label in ("bag", "coat"):
        (folder / label).mkdir(parents=True)
        shutil.copy(work / "good.png", folder / label / "1.png")
        shutil.copy(work / "good.png", folder / label / "2.png")
    shutil.copy(work / f"{name}.png", folder / "coat" / "3.png")
(work / "tree-empty" / "train" / "bag").mkdir(parents=True)
shutil.copy(work / "good.png", work / "tree-empty" / "train" / "bag" / "1.png")
(work / "tree-empty" / "train" / "coat").mkdir()

def idx(name, images, labels, squeeze=lambda b: b):
    folder = work / name
    folder.mkdir()
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(squeeze(gzip.compress(images)))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))

images = struct.pack(">IIII", 0x803, 20, 28, 28) + bytes(20 * 784)
labels = struct.pack(">II", 0x801, 20) + bytes(range(10)) * 2
idx("idx-cut", images[:-1], labels)
idx("idx-magic", b"\0\0\x09\x03" + images[4:], labels)
idx("idx-lies", struct.pack(">IIII", 0x803, 0xFFFFFFFF, 0xFFFF, 0xFFFF) + images[16:], labels)
idx("idx-gzip", images, labels, lambda b: b[:-6])
PYTHON
before=$(digest whole/checkpoints/last.ckpt)
expect 69 'fashion-mnist-sample' "$tool" fit --dataset fashion-mnist-smple --run bad
expect 64 'lenet5' "$tool" fit --dataset "$sample" --model lenet55 --run bad
expect 64 'resume|force' "$tool" fit --dataset "$sample" --run whole
for folder in idx-cut idx-magic idx-lies idx-gzip; do
    expect 65 'idx[0-9]-ubyte' "$tool" fit --dataset $folder --run bad
done
for folder in tree-huge tree-bomb tree-cut; do
    expect 65 'coat/3\.png' "$tool" fit --dataset $folder --run bad
done
expect 65 'coat' "$tool" fit --dataset tree-empty --run bad
expect 69 'libdnnl2' env DEAI_ONEDNN=nothere.so "$tool" fit --dataset "$sample" --executor accelerated --run bad-executor
expect 0 'test accuracy' env DEAI_ONEDNN=nothere.so "$tool" fit --dataset "$sample" --epochs 1 --run without
check "without oneDNN the executor is not the portable one" sh -c '! grep -q executor without/config.json'
expect 0 'test accuracy' "$tool" fit --dataset "$sample" --from whole --epochs 1 --run tuned
expect 64 'resume' "$tool" fit --dataset "$sample" --from whole --resume --run tuned
layers() { echo "{\"layers\": [$1, {\"kind\": \"globalAveragePool\"}, {\"kind\": \"dense\"}]}" >network.json; }
sizes='"filters": 8, "kernel": 3, "stride": 1, "dilation": 1, "groups": 1, "padding": 0'
for field in filters kernel stride dilation groups padding; do
    layers "{\"kind\": \"conv2d\", $(sed "s/\"$field\": ./\"$field\": 9223372036854775807/" <<<"$sizes")}"
    expect 64 "layer 0: .*$field must be from" "$tool" fit --dataset "$sample" --model network.json --run bad
done
layers '{"kind": "conv2d", "filters": 2000000000, "kernel": 3}'
expect 64 'filters must be from' "$tool" lr-find --dataset "$sample" --model network.json
layers '{"kind": "flatten"}, {"kind": "dense", "units": 1048576}, {"kind": "dense", "units": 1048576}'
expect 64 'layer 2 is too large' "$tool" bench --model network.json
expect 64 'between 1 and 1000000' "$tool" fit --dataset "$sample" --epochs 9223372036854775807 --run bad
expect 64 'schedule' "$tool" fit --dataset "$sample" --schedule step:9223372036854775807:0.1 --run bad
expect 65 'int8 weights' "$tool" fit --dataset "$sample" --from model.deai --run bad
expect 65 'a file, not a folder' "$tool" fit --dataset ./good.png --run bad
expect 65 'a file, not a folder' "$tool" runs good.png
expect 65 'a file, not a folder' "$tool" report model.deai
expect 74 'a file, not a folder' "$tool" datasets sample --dataset "$sample" --output good.png
expect 0 'left out: .*coat/3\.png' "$tool" fit --dataset tree-cut --validation-fraction 0.5 --model mlp --epochs 2 \
    --skip-unreadable --run skipped
for command in evaluate report "export -o skipped.deai" "fit --resume --run"; do
    expect 0 'left out: .*coat/3\.png' "$tool" $command skipped
done
expect 0 'left out: .*coat/3\.png' "$tool" evaluate skipped.deai --dataset tree-cut
check "a refused fit leaves a run folder behind" test ! -e bad/checkpoints
for file in cut damaged text; do
    expect 65 "$file.deai" "$tool" evaluate $file.deai
    expect 65 "$file.deai" "$tool" inspect $file.deai
    expect 65 "$file.deai" "$tool" upload $file.deai "${at[@]}"
done
for command in "upload ${at[*]}" "query ${at[*]}" "verify-onchain ${at[*]}" runs report evaluate inspect "export -o bad.deai" \
    "fit --run bad --dataset" "fit --run bad --from" "fit --run bad --dataset $sample --model" "fit --resume --run" \
    "lr-find --dataset" "meter --method x" "canister install ${at[*]}" "activate ${at[*]}"; do
    expect 74 'nothere' "$tool" $command ./nothere.json
done
expect 64 'nobody' env DEAI_IDENTITY=unmade.pem "$tool" upload model.deai --canister nobody "${at[@]}"
check "a canister that is unknown makes no key" test ! -e unmade.pem
expect 64 'nothing' "$tool" meter "$root/build/canister.wasm" --method "canister_query nothing"
expect 0 '^[0-9.]+$' "$tool" download --version
for image in huge bomb cut damaged text; do
    expect 65 . "$tool" query $image.png "${at[@]}"
done
expect 0 'wrong_size' "$tool" canister call classifier classify \
    '(record { image = variant { pixels = blob "\00\01" }; top = null })' "${at[@]}"
expect 1 'IC0406' env DEAI_IDENTITY=stranger.pem "$tool" canister call classifier abort_upload \
    '(blob "\00")' "${at[@]}"
expect 1 'authorized|controller|refused|reject' env DEAI_IDENTITY=stranger.pem "$tool" upload mlp.deai "${at[@]}"
expect 1 'controller' env DEAI_IDENTITY=stranger.pem "$tool" canister upgrade "$root/build/canister.wasm" "${at[@]}"
expect 69 'port|taken|in use' "$tool" emulator start --port "$port" --state other
expect 69 'setup' env DEAI_WASMTIME=nothere.so "$tool" emulator start --port 0 --state other
chmod 644 stranger.pem
expect 1 '600' env DEAI_IDENTITY=stranger.pem "$tool" identity
check "a new identity is readable by others" test "$(stat -c %a identity.pem)" = 600
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"
if mkdir small && mount -t tmpfs -o size=1300k none small 2>/dev/null; then
    expect 74 'space' "$tool" fit --dataset "$sample" --model lenet5 --epochs 3 --run small/run
    umount small
fi
for arguments in "fit --run" "fit --run new --dataset" "evaluate" "bench --model" "datasets sample --output"; do
    expect 64 'empty' "$tool" $arguments ""
done
expect 64 'names no network' "$tool" bench --model ,
mknod full c 1 7 2>/dev/null && for arguments in "datasets list" "runs ." "inspect whole --json" "fit --help" "--version"; do
    expect 74 'cannot write to standard output' sh -c "'$tool' $arguments >full"
    expect 74 'cannot write to standard output: Bad' sh -c "'$tool' $arguments >&-"
    expect 74 'cannot write to standard output: Bad' sh -c "'$tool' $arguments <&- >&-"
done
expect 0 '^OVERVIEW' sh -c "'$tool' fit --help | head -n 1"
if [ -e full ]; then
    expect 74 'cannot write full' "$tool" evaluate whole --logits full
    check "a device is replaced by a file" test -c full
fi
ln -s target.f32 link.f32
expect 0 'accuracy' "$tool" evaluate whole --logits link.f32
check "a link is replaced by a file" test -L link.f32 -a -s target.f32
cp -r whole gone
rm gone/checkpoints/last.ckpt
expect 74 'last\.ckpt.*force' "$tool" fit --resume --run gone
check "a refused resume changes the best weights" cmp whole/checkpoints/best.ckpt gone/checkpoints/best.ckpt
check "bad input changed a checkpoint" test "$before" = "$(digest whole/checkpoints/last.ckpt)"

echo "end-to-end: cycles, logs, and the state as a whole"
expect 0 'frozen in +[0-9.,]+ days' "$tool" canister status classifier "${at[@]}"
expect 0 'topped up .*1,000,000' "$tool" canister top-up classifier --cycles 1000000 "${at[@]}"
id=$("$tool" canister id classifier "${at[@]}")
expect 0 'running.*module_hash|module_hash.*running' "$tool" canister call aaaaa-aa canister_status \
    "(record { canister_id = principal \"$id\" })" "${at[@]}"
expect 64 'local network' "$tool" canister top-up aaaaa-aa --network ic
expect 0 'deai_messages_total' curl -sS "$network/metrics"
for command in "clean --yes" "snapshot save saved" "snapshot restore saved --yes"; do
    expect 69 'emulator stop' "$tool" emulator $command --state "$state"
done
expect 0 'stopped canister' "$tool" canister stop classifier "${at[@]}"
expect 1 'IC0508' "$tool" query good.png "${at[@]}"
expect 0 'started canister' "$tool" canister start classifier "${at[@]}"
expect 0 'stopped' "$tool" emulator stop --state "$state"
expect 0 'saved' "$tool" emulator snapshot save saved --state "$state"
expect 64 'exists' "$tool" emulator snapshot save saved --state "$state"
expect 64 '\-\-yes' "$tool" emulator clean --state "$state"
expect 0 'ready' "$tool" emulator start --background --port "$port" --state "$state" --log-level debug
expect 0 'stopped' "$tool" canister stop classifier "${at[@]}"
expect 0 'deleted' "$tool" canister delete classifier "${at[@]}"
expect 1 'not found' "$tool" query good.png "${at[@]}"
expect 0 'method=delete_canister' cat "$state/emulator.log"
expect 0 'stopped' "$tool" emulator stop --state "$state"
expect 64 '\-\-yes' "$tool" emulator snapshot restore saved --state "$state"
expect 65 'no snapshot' "$tool" emulator snapshot restore "$sample" --yes --state "$state"
expect 0 'is that of saved' "$tool" emulator snapshot restore saved --yes --state "$state"
expect 0 'ready' "$tool" emulator start --background --port "$port" --state "$state"
expect 0 '200 of 200' "$tool" verify-onchain model.deai "${at[@]}"
expect 0 'stopped' "$tool" emulator stop --state "$state"
expect 0 'removed' "$tool" emulator clean --yes --state "$state"
check "a cleaned state leaves files behind" test ! -e "$state"
expect 0 'no emulator state' "$tool" emulator clean --yes --state "$state"

echo "$passed passed, $failed failed"
test $failed = 0
