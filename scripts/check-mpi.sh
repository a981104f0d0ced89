#!/usr/bin/env bash
# Several processes against one: `mpirun -n 2` with batches of 32 must go the way of one process with batches of 64, and
# what is killed or interrupted must end as documented (docs/training.md). Installs Debian's openmpi-bin where mpirun is
# missing; nothing else needs it. Usage: check-mpi.sh     DEAI_TRAIN chooses the binary.
#
# Tolerance: both ways add the same products, but one process adds up 64 images and two add up 32 each. Sums of binary32
# (half an ulp is 6e-8) over some thousand terms then differ in the seventh or sixth digit, step 1 shows just that; after
# it the weights differ, too, and a hundred steps of momentum (each lives on for ten) let that grow. So the loss of step 1
# may differ by 1e-6 and every later one by 1e-3; other images, or a learning rate or a gradient that is half or double,
# differ by 1e-2 and more within a few steps.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=${DEAI_TRAIN:-$PWD/.build/release/deai-train}

if ! command -v mpirun >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends openmpi-bin >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mpi=(mpirun --oversubscribe --mca odls_base_sigkill_timeout 3)
[ "$(id -u)" = 0 ] && mpi+=(--allow-run-as-root)
fit=("$tool" fit --dataset "$PWD/datasets/fashion-mnist-sample" --model lenet5 --epochs 6 --seed 3 --augment crop:1,flip
    --clip 2 --threads 1)

fail() { echo "check-mpi: $*" >&2; exit 1; }
losses() { sed -n 's/.*"event":"step".*"loss":\([0-9.e-]*\),.*/\1/p' "$1"; }
# expect CODE WHAT COMMAND...
expect() {
    local code=0
    "${@:3}" >"$work/out" 2>"$work/err" || code=$?
    [ "$code" = "$1" ] || { cat "$work/err" >&2; fail "$2: exit code $code, expected $1"; }
}

for executor in portable accelerated; do
    "${fit[@]}" --executor $executor --batch 64 --json --run "$work/one-$executor" >"$work/one.json" 2>/dev/null
    "${mpi[@]}" -n 2 "${fit[@]}" --executor $executor --batch 32 --json --run "$work/two-$executor" \
        >"$work/two.json" 2>/dev/null
    paste <(losses "$work/one.json") <(losses "$work/two.json") | awk -v executor=$executor '
        NF != 2 { print "check-mpi: the curves have different lengths"; exit 1 }
        { d = $1 > $2 ? $1 - $2 : $2 - $1; if (NR == 1) first = d; if (d > most) most = d; last = $2 }
        END {
            printf "%s: %d steps, loss %g at the end; one and two processes differ by %.1e in step 1, by %.1e at most\n",
                executor, NR, last, first, most
            if (NR < 80 || first > 1e-6 || most > 1e-3) { print "check-mpi: beyond the tolerance"; exit 1 }
        }'
done

# begin FOLDER OPTION...: starts two processes in the background and waits for the end of an epoch.
begin() {
    "${mpi[@]}" -n 2 "${fit[@]}" --executor portable --batch 32 --run "$work/$1" "${@:2}" >/dev/null 2>"$work/err" &
    process=$!
    until grep -q '"event":"epoch"' "$work/$1/log.jsonl" 2>/dev/null; do sleep 0.02; done
}
# ended FOLDER: sets code to that of mpirun, when nothing of it is left.
ended() {
    code=0
    wait $process || code=$?
    [ -z "$(pgrep -f "$work/$1" || true)" ] || fail "a process outlived the others"
}

# Stopped in the middle and resumed: the same bits as undisturbed.
begin stopped
kill -TERM "$(pgrep -P $process | tail -n 1)"
ended stopped
[ $code = 130 ] || { cat "$work/err" >&2; fail "a process was interrupted, mpirun ends with $code, expected 130"; }
grep -q '"event":"interrupted"' "$work/stopped/log.jsonl" || fail "SIGTERM did not save"
expect 64 "resuming with another number of processes" "${fit[@]}" --batch 32 --run "$work/stopped" --resume
grep -q 'processes (mpirun -n) is 2' "$work/err" || fail "the number of processes is not named"
expect 0 "resuming" "${mpi[@]}" -n 2 "${fit[@]}" --batch 32 --run "$work/stopped" --resume
for slot in last best; do
    cmp "$work/two-portable/checkpoints/$slot.ckpt" "$work/stopped/checkpoints/$slot.ckpt" ||
        fail "$slot.ckpt differs after SIGTERM and --resume"
done
echo "stopped by SIGTERM to one of them and resumed: the same checkpoints, byte for byte"

# What mpirun is told it tells all, after a while.
begin asked --epochs 1000
kill -INT $process
ended asked
grep -q '"event":"interrupted"' "$work/asked/log.jsonl" || { cat "$work/err" >&2; fail "SIGINT to mpirun did not save"; }
echo "stopped by SIGINT to mpirun: saved, mpirun ends with $code"

# A process that dies takes the others along.
begin killed --epochs 1000
kill -9 "$(pgrep -P $process | tail -n 1)"
ended killed
[ $code != 0 ] || fail "a killed process was not noticed"
echo "one process killed: mpirun ends with $code and says: $(grep -m 1 -i 'signal\|exited' "$work/err")"

expect 74 "a missing data set" "${mpi[@]}" -n 2 "${fit[@]}" --dataset "$work/none" --run "$work/other"
[ "$(grep -c "there is no such folder" "$work/err")" = 1 ] || fail "a failure is not said once"
expect 69 "without the library" env DEAI_MPI="$work/none.so" "${mpi[@]}" -n 2 "${fit[@]}" --run "$work/other"
expect 0 "mpirun -n 1 without the library" env DEAI_MPI="$work/none.so" "${mpi[@]}" -n 1 "${fit[@]}" --epochs 1 \
    --run "$work/other"
echo "check-mpi: passed"
