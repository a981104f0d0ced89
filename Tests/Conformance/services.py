"""Scenarios of what a subnet offers beside calls: snapshots, logs, memory, queues, cycles, and other kinds of senders."""

import base64
import hashlib
import json
import random
import threading
import time

import cbor2
import ecdsa

import candid_lite as candid
import universal
from candid_lite import BLOB, BOOL, NAT, NAT64, NULL, PRINCIPAL, encode, opt, record, variant, vec
from harness import (MANAGEMENT, Client, Key, certificate_tree, hash_of, leb128, lookup, now, self_authenticating, text)
from universal import P
from world import EMPTY, ID, MODULE, NOWHERE, case, expect, refused, rejected, wait

COUNT = P().counter().int(1).add().set_counter().counter().reply_int()
PERSISTENT = universal.module(persistent=True)


def cycles(w, canister): return candid.get(w.status(canister), "cycles")


# Snapshots.
SNAPSHOT = record(canister_id=PRINCIPAL, snapshot_id=BLOB)


def take(w, canister, replace=None, client=None):
    shape = record(canister_id=PRINCIPAL, replace_snapshot=opt(BLOB))
    reply = w.management("take_canister_snapshot", encode((shape, {
        "canister_id": canister, "replace_snapshot": replace})), canister, client)
    return candid.get(candid.decode(reply)[0], "id") if isinstance(reply, bytes) else reply


def snapshot(w, method, canister, identifier, client=None):
    return w.management(method, encode((SNAPSHOT, {"canister_id": canister, "snapshot_id": identifier})), canister, client)


def snapshots(w, canister):
    listed = candid.decode(w.on("list_canister_snapshots", canister))[0]
    return [candid.get(entry, "id") for entry in listed or []]


@case("snapshot: load brings back heap, globals and stable memory")
def _(w):
    c = w.canister()
    w.run(c, P().int(41).set_counter().int(2048).int(42).store().stable64_grow(1).drop().reply())
    taken = take(w, c)
    w.run(c, P().int(1).set_counter().int(2048).int(2).store().stable64_grow(3).drop().reply())
    expect(isinstance(snapshot(w, "load_canister_snapshot", c, taken), bytes))
    reply = w.ask(c, P().int(0).counter().store().int(8).int(2048).load().store().int(16).stable64_size().store()
                  .msg_reply_data_append(0, 24).msg_reply())
    expect([w.number(reply[i:i + 8]) for i in (0, 8, 16)] == [41, 42, 1], reply)


@case("snapshot: load brings back the code")
def _(w):
    c = w.canister()
    taken = take(w, c)
    w.install(c, "reinstall", module=EMPTY)
    rejected(w.run(c, P().reply()), 5, "IC0536")
    snapshot(w, "load_canister_snapshot", c, taken)
    expect(w.run(c, P().reply(b"again")) == b"again")
    expect(candid.get(w.status(c), "module_hash") == hashlib.sha256(MODULE).digest())


@case("snapshot: the canister's version goes on, not back")
def _(w):
    c = w.canister()
    taken = take(w, c)
    before = w.number(w.ask(c, P().canister_version().reply_int()))
    snapshot(w, "load_canister_snapshot", c, taken)
    expect(w.number(w.ask(c, P().canister_version().reply_int())) > before)


@case("snapshot: list, replace, delete")
def _(w):
    c = w.canister()
    first, second = take(w, c), take(w, c)
    expect(snapshots(w, c) == [first, second])
    third = take(w, c, replace=first)
    expect(sorted(snapshots(w, c)) == sorted([second, third]))
    expect(isinstance(snapshot(w, "delete_canister_snapshot", c, second), bytes))
    expect(snapshots(w, c) == [third])
    for method in ("load_canister_snapshot", "delete_canister_snapshot"):
        rejected(snapshot(w, method, c, second), 3, "IC0305")


@case("snapshot: an eleventh is refused")
def _(w):
    c = w.canister()
    for _ in range(10):
        take(w, c)
    rejected(take(w, c), 5, part="maximum number of snapshots")


@case("snapshot: of an empty canister")
def _(w): rejected(take(w, w.create()), 5, "IC0537")


@case("snapshot: for controllers")
def _(w):
    c = w.canister()
    taken = take(w, c)
    rejected(take(w, c, client=w.stranger), 5, "IC0512")
    for method in ("load_canister_snapshot", "delete_canister_snapshot"):
        rejected(snapshot(w, method, c, taken, w.stranger), 5, "IC0512")


@case("snapshot: counted as memory")
def _(w):
    c = w.canister()
    before = candid.get(w.status(c), "memory_size")
    take(w, c)
    metrics = candid.get(w.status(c), "memory_metrics")
    expect(candid.get(w.status(c), "memory_size") >= before + candid.get(metrics, "snapshots_size") > before)


@case("snapshot: read its data")
def _(w):
    c = w.canister()
    w.run(c, P().stable64_grow(1).drop().int(5).blob(b"stable bytes").stable64_write().reply())
    taken = take(w, c)
    slice_ = record(offset=NAT64, size=NAT64)
    shape = record(canister_id=PRINCIPAL, snapshot_id=BLOB, kind=variant(wasm_module=slice_, stable_memory=slice_))

    def read(kind, offset, size):
        return w.management("read_canister_snapshot_data", encode((shape, {
            "canister_id": c, "snapshot_id": taken, "kind": {kind: {"offset": offset, "size": size}}})), c)
    expect(candid.get(candid.decode(read("stable_memory", 5, 12))[0], "chunk") == b"stable bytes")
    expect(candid.get(candid.decode(read("wasm_module", 0, len(MODULE)))[0], "chunk") == MODULE)
    rejected(read("stable_memory", 65536, 1), 5)


@case("snapshot: loads into another canister of the same controller")
def _(w):
    c, d = w.canister(), w.canister()
    w.run(c, P().int(77).set_counter().reply())
    taken = take(w, c)
    expect(isinstance(snapshot(w, "load_canister_snapshot", d, taken), bytes))
    expect(w.number(w.ask(d, P().counter().reply_int())) == 77)
    w.settings(c, controllers=(vec(PRINCIPAL), [w.stranger.key.principal]))
    rejected(snapshot(w, "load_canister_snapshot", d, taken), 5, "IC0512")


# Logs.
def logs(w, canister, client=None):
    reply = (client or w.client).query(MANAGEMENT, "fetch_canister_logs", encode((ID, {"canister_id": canister})),
                                       effective=canister)
    return candid.get(candid.decode(reply)[0], "canister_log_records") if isinstance(reply, bytes) else reply


@case("logs: numbered, at most 4 KiB, the oldest go")
def _(w):
    c = w.canister()
    for index in range(8):
        w.run(c, P().debug_print(bytes([65 + index]) * 1000).reply())
    records = logs(w, c)
    expect([candid.get(r, "idx") for r in records] == [5, 6, 7], records)
    expect(sum(len(candid.get(r, "content")) for r in records) <= 4096)


@case("logs: kept by an upgrade, cleared by a reinstall and an uninstall")
def _(w):
    c = w.canister()
    w.run(c, P().debug_print(b"line").reply())
    w.install(c, "upgrade")
    expect([candid.get(r, "content") for r in logs(w, c)] == [b"line"])
    w.install(c, "reinstall")
    expect(logs(w, c) == [])
    w.run(c, P().debug_print(b"line").reply())
    w.on("uninstall_code", c)
    expect(logs(w, c) == [])


@case("logs: of init, heartbeat and timer")
def _(w):
    c = w.canister(P().debug_print(b"init").code)
    w.run(c, P().hook("timer", P().debug_print(b"timer")).int(1).global_timer_set().drop().reply())
    wait(lambda: [candid.get(r, "content") for r in logs(w, c)] == [b"init", b"timer"])


@case("logs: for everybody, and for chosen viewers")
def _(w):
    c = w.canister()
    shape = variant(controllers=NULL, public=NULL, allowed_viewers=vec(PRINCIPAL))
    expect(isinstance(logs(w, c, w.stranger), dict))
    for value in ({"public": None}, {"allowed_viewers": [w.stranger.key.principal]}):
        w.settings(c, log_visibility=(shape, value))
        expect(logs(w, c, w.stranger) == [])
    expect(isinstance(logs(w, c, w.anonymous), dict))


# Memory.
@case("memory.grow to 4 GiB and no further")
def _(w):
    c = w.canister()
    expect(w.number(w.run(c, P().int(65536 - universal.PAGES).grow().reply_int())) == universal.PAGES)
    expect(w.number(w.run(c, P().int(1).grow().reply_int())) == 2**32 - 1)
    last = 2**32 - 8
    w.run(c, P().int(last).int(7).store().reply())
    expect(w.number(w.ask(c, P().int(last).load().reply_int())) == 7)
    expect(w.ask(w.shared, P().reply(b"others too")) == b"others too")
    w.on("uninstall_code", c)


@case("wasm_memory_limit stops updates that grow")
def _(w):
    c = w.canister()
    w.settings(c, wasm_memory_limit=(NAT, 4 << 20))
    rejected(w.run(c, P().int(100).grow().reply_int()), 5, "IC0539")
    expect(w.run(c, P().reply(b"small")) == b"small")


@case("stable memory grows to 500 GiB at most")
def _(w):
    c = w.canister()
    expect(w.number(w.run(c, P().int((500 << 14) + 1).stable64_grow().reply_int())) == 2**64 - 1)
    expect(w.number(w.run(c, P().int(1 << 14).stable64_grow().reply_int())) == 0)
    expect(w.number(w.ask(c, P().stable64_size().reply_int())) == 1 << 14)


@case("32-bit stable memory traps beyond 4 GiB")
def _(w):
    c = w.canister()
    w.run(c, P().int(65537).stable64_grow().reply_int())
    rejected(w.ask(c, P().stable_size().reply_int()), 5, "IC0502")


def wide(name_, body, imports=(), locals_=()):
    """A module with a 64-bit memory of two pages and one update method."""
    from universal import I32, I64, name, section, vector
    kinds = {"i": I32, "l": I64}
    types = [b"\x60\0\0"]
    entries = []
    for function, parameters, result in imports:
        types.append(b"\x60" + vector([bytes([kinds[p]]) for p in parameters]) + vector([bytes([kinds[r]]) for r in result]))
        entries.append(name("ic0") + name(function) + b"\0" + leb128(len(types) - 1))
    code = vector([b"\1" + bytes([kinds[kind]]) for kind in locals_]) + body + b"\x0b"
    return (EMPTY + section(1, vector(types)) + section(2, vector(entries)) + section(3, b"\1\0")
            + section(5, b"\1\4\2") + section(7, b"\1" + name("canister_update " + name_) + b"\0" + leb128(len(entries)))
            + section(10, b"\1" + leb128(len(code)) + code))


REPLY64 = [("msg_reply_data_append", "ll", ""), ("msg_reply", "", "")]
L = universal.i64


@case("memory64: addresses of 64 bits, beyond 4 GiB too")
def _(w):
    # Grows to 5 GiB, stores at the end, replies with those eight bytes; the state is kept.
    end = (5 << 30) - 8
    body = (L((5 << 14) - 2) + b"\x40\0\x1a" + L(end) + L(end) + b"\x29\3\0" + L(1) + b"\x7c\x37\3\0"
            + L(end) + L(8) + b"\x10\0\x10\1")
    c = w.create()
    expect(isinstance(w.install(c, module=wide("bump", body, REPLY64)), bytes))
    expect([w.number(w.client.update(c, "bump")) for _ in range(3)] == [1, 2, 3])
    expect(candid.get(w.status(c), "memory_size") > 5 << 30)
    w.on("uninstall_code", c)


@case("memory64: growth ends at 6 GiB")
def _(w):
    body = (L(0) + L((6 << 14) - 2) + b"\x40\0\x37\3\0" + L(8) + L(1) + b"\x40\0\x37\3\0" + L(0) + L(16) + b"\x10\0\x10\1")
    c = w.create()
    w.install(c, module=wide("grow", body, REPLY64))
    reply = w.client.update(c, "grow")
    expect([w.number(reply[:8]), w.number(reply[8:])] == [2, 2**64 - 1], reply)
    w.on("uninstall_code", c)


@case("memory64: imports have 64-bit signatures, and the deprecated functions are gone")
def _(w):
    for module in (wide("x", b"\x10\1", [("msg_reply_data_append", "ii", ""), ("msg_reply", "", "")]),
                   wide("x", b"\x10\0", [("msg_reply", "", ""), ("msg_cycles_available", "", "l")])):
        rejected(w.install(w.create(), module=module), 5, "IC0505")


# Orthogonal persistence.
@case("persistence: an upgrade must say keep or replace")
def _(w):
    c = w.create()
    w.install(c, module=PERSISTENT)
    rejected(w.install(c, "upgrade", module=PERSISTENT), 5, "IC0504", "wasm_memory_persistence")


@case("persistence: keep keeps the heap, not the globals")
def _(w):
    c = w.create()
    w.install(c, module=PERSISTENT)
    w.run(c, P().int(2048).int(99).store().int(5).set_counter().reply())
    expect(isinstance(w.install(c, "upgrade", module=PERSISTENT, memory="keep"), bytes))
    reply = w.ask(c, P().int(0).counter().store().int(8).int(2048).load().store().msg_reply_data_append(0, 16).msg_reply())
    expect([w.number(reply[:8]), w.number(reply[8:])] == [0, 99], reply)


@case("persistence: replace drops the heap")
def _(w):
    c = w.create()
    w.install(c, module=PERSISTENT)
    w.run(c, P().int(2048).int(99).store().reply())
    expect(isinstance(w.install(c, "upgrade", module=PERSISTENT, memory="replace"), bytes))
    expect(w.number(w.ask(c, P().int(2048).load().reply_int())) == 0)


@case("persistence: keep needs a module made for it")
def _(w):
    c = w.create()
    w.install(c, module=PERSISTENT)
    rejected(w.install(c, "upgrade", memory="keep"), 5, "IC0504", "enhanced orthogonal persistence")
    expect(isinstance(w.install(c, "upgrade", memory="replace"), bytes))


@case("persistence: a trap in post_upgrade leaves the old heap")
def _(w):
    c = w.create()
    w.install(c, module=PERSISTENT)
    w.run(c, P().int(2048).int(99).store().reply())
    bad = P().int(2048).int(1).store().trap(b"no").code
    rejected(w.install(c, "upgrade", module=PERSISTENT, argument=bad, memory="keep"), 5, "IC0503")
    expect(w.number(w.ask(c, P().int(2048).load().reply_int())) == 99)


# Queues and loops.
def many_calls(count, callee, program):
    """Sums the results of `call_perform`: 0 when it queued, 2 when it could not."""
    calls = P().int(0)
    for _ in range(count):
        calls = calls.call(callee, b"run", program.code, reply=P().counter().int(1).add().set_counter(), reject=P()).add()
    return calls


@case("queue: the 501st open call to one canister is not sent")
def _(w):
    c, d = w.canister(), w.canister()
    program = many_calls(501, d, P().counter().int(1).add().set_counter().reply())
    expect(w.number(w.run(c, program.reply_int())) == 2)
    wait(lambda: w.number(w.ask(d, P().counter().reply_int())) == 500)


@case("queue: once answered there is room again")
def _(w):
    c, d = w.canister(), w.canister()
    program = many_calls(500, d, P().reply()).reply_int()
    for answered in (500, 1000):
        expect(w.number(w.run(c, program)) == 0)
        wait(lambda: w.number(w.ask(c, P().counter().reply_int())) == answered)


@case("queue: 10,000 queued calls, others are served meanwhile")
def _(w):
    c = w.canister()
    start = w.number(w.ask(c, P().counter().reply_int()))

    def work(index):
        client = Client(w.port)
        for _ in range(2_500):
            expect(client.call_raw(c, "run", COUNT.code, "v2")[1].status == 202)
    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    slowest = 0
    while any(thread.is_alive() for thread in threads):
        begin = time.time()
        expect(w.ask(w.shared, P().reply(b"served")) == b"served")
        slowest = max(slowest, time.time() - begin)
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    wait(lambda: w.number(w.ask(c, P().counter().reply_int())) == start + 10_000, 60)
    expect(slowest < 10, slowest)


def endless(target=None):
    """A program that calls `target`, or whoever called it, with itself, and awaits the answer."""
    own, caller = 0x1F0000, 0x1E0000
    program = P().counter().int(1).add().set_counter()
    if target:
        program = program.blob(target)
    else:
        program = program.int(caller).int(0).msg_caller_size().msg_caller_copy().int(caller).msg_caller_size()
    end = P().reply(b"end")
    program = program.blob(b"run").int(universal.CALLBACK).stored(end).int(universal.CALLBACK).stored(end).call_new()
    program = program.int(own).int(0).msg_arg_data_size().msg_arg_data_copy()
    return program.int(own).msg_arg_data_size().call_data_append().call_perform().drop()


@case("loop: a canister that calls itself without end is stopped by its queue")
def _(w):
    c = w.canister()
    reply = w.run(c, endless(c))
    expect(reply == b"end" or reply.get("http") == 202, reply)
    wait(lambda: 500 <= w.number(w.ask(c, P().counter().reply_int())) <= 502, 60)
    expect(w.run(w.shared, P().reply(b"alive")) == b"alive")


@case("loop: two canisters that call each other without end")
def _(w):
    c, d = w.canister(), w.canister()
    reply = w.run(c, P().call(d, b"run", endless().code).drop())
    expect(reply == b"end" or reply.get("http") == 202, reply)
    for canister in (c, d):
        wait(lambda: 499 <= w.number(w.ask(canister, P().counter().reply_int())) <= 502, 60)
    expect(w.run(w.shared, P().reply(b"alive")) == b"alive")


# Cycles and the freezing threshold.
@case("frozen: queries and updates are refused, a top-up thaws")
def _(w):
    c = w.canister(amount=10**12)
    w.settings(c, freezing_threshold=(NAT, 10**15))
    rejected(w.run(c, P().reply()), 2, "IC0207")
    rejected(w.ask(c, P().reply()), 2, "IC0207")
    w.settings(c, freezing_threshold=(NAT, 1))
    top_up = encode((record(canister_id=PRINCIPAL, amount=NAT), {"canister_id": c, "amount": 10**13}))
    expect(isinstance(w.management("provisional_top_up_canister", top_up, c), bytes))
    expect(w.run(c, P().reply(b"thawed")) == b"thawed")


@case("frozen: a call of another canister comes back with code 2 and its cycles")
def _(w):
    c, d = w.canister(), w.canister(amount=10**12)
    w.settings(d, freezing_threshold=(NAT, 10**15))
    program = P().call(d, b"run", P().reply().code, cycles=10**9,
                       reject=P().int(8).msg_reject_code().store().msg_cycles_refunded128(16)
                       .msg_reply_data_append(8, 16).msg_reply())
    reply = w.run(c, program.drop())
    expect(w.number(reply[:8]) == 2 and w.number(reply[8:]) == 10**9, reply)


@case("frozen: the balance may not be spent below the threshold")
def _(w):
    c = w.canister(amount=60 * 10**12)
    burned = w.number(w.run(c, P().cycles_burn128(2**63, 0, 0).msg_reply_data_append(0, 16).msg_reply()))
    expect(0 < burned < 60 * 10**12)
    expect(cycles(w, c) > 0)


@case("refund: a trap, a rejection and a missing canister give all cycles back")
def _(w):
    c = w.canister()
    for callee, program in ((w.second, P().trap(b"x")), (w.second, P().reject(b"x")), (NOWHERE, P()),
                            (w.second, P().msg_cycles_accept128(0, 10**9, 0).trap(b"x"))):
        call = P().call(callee, b"run", program.code, cycles=10**9, reject=P().reply_amount("msg_cycles_refunded128"))
        expect(w.number(w.run(c, call.drop())) == 10**9)


@case("refund: unused instructions come back")
def _(w):
    c = w.canister()
    before = cycles(w, c)
    w.run(c, P().reply())
    expect(before - cycles(w, c) < 3 * 10**7)


@case("minimum_incoming_canister_call_cycles")
def _(w):
    c, d = w.canister(), w.canister()
    w.settings(d, minimum_incoming_canister_call_cycles=(NAT, 10**6))
    for amount, code in ((0, 5), (10**6 - 1, 5), (10**6, None)):
        call = P().call(d, b"run", P().reply(b"paid").code, cycles=amount, reject=P().msg_reject_code().reply_int())
        reply = w.run(c, call.drop())
        expect(reply == b"paid" if code is None else w.number(reply) == code, (amount, reply))
    expect(w.run(d, P().reply(b"users are free")) == b"users are free")


@case("best-effort: refund and reply as usual when in time")
def _(w):
    c = w.canister()
    call = P().call(w.second, b"run", P().msg_cycles_accept128(0, 10**8, 0).reply().code, cycles=10**9, timeout=30,
                    reply=P().reply_amount("msg_cycles_refunded128"))
    expect(w.number(w.run(c, call.drop())) == 9 * 10**8)


@case("best-effort: at most 300 seconds")
def _(w):
    call = P().call(w.second, b"run", P().msg_deadline().reply_int().code, timeout=10**6)
    deadline = w.number(w.run(w.shared, call.drop()))
    expect(0 < deadline - now() <= 301 * 10**9, deadline - now())


def stopper(w):
    """A canister, and a program with which it stops itself: it then waits for an answer that waits for it."""
    d = w.canister()
    w.settings(d, controllers=(vec(PRINCIPAL), [w.key.principal, d]))
    return d, P().call(MANAGEMENT, b"stop_canister", encode((ID, {"canister_id": d}))).drop()


@case("best-effort: no answer in time is SYS_UNKNOWN, and what comes later is dropped")
def _(w):
    c = w.canister()
    d, stop_itself = stopper(w)
    call = P().call(d, b"run", stop_itself.code, timeout=1, reject=P().msg_reject_code().reply_int())
    expect(w.number(w.run(c, call.drop())) == 6)
    w.on("start_canister", d)
    expect(w.run(c, P().reply(b"fine")) == b"fine" and w.run(d, P().reply(b"fine")) == b"fine")


# Composite queries.
@case("composite: calls nest six deep, not seven")
def _(w):
    def nested(depth):
        program = P().reply(b"bottom")
        for _ in range(depth):
            program = P().call(w.second, b"crun", program.code).drop()
        return w.client.query(w.shared, "crun", program.code)
    expect(nested(6) == b"bottom")
    expect(b"depth" in nested(7))


@case("composite: its callbacks see what it changed, nobody else does")
def _(w):
    program = P().int(7).set_counter().call(w.second, b"query", P().reply().code, reply=P().counter().reply_int()).drop()
    expect(w.number(w.client.query(w.shared, "crun", program.code)) == 7)
    expect(w.number(w.ask(w.shared, P().counter().reply_int())) != 7)


@case("composite: asks the management canister for a status")
def _(w):
    argument = encode((ID, {"canister_id": w.shared}))
    reply = w.client.query(w.shared, "crun", P().call(MANAGEMENT, b"canister_status", argument).drop().code)
    expect(candid.get(candid.decode(reply)[0], "module_hash") == hashlib.sha256(MODULE).digest())


@case("composite: no certificate in callbacks and callees")
def _(w):
    ask = P().data_certificate_present().reply_int()
    expect(w.number(w.client.query(w.shared, "crun", ask.code)) == 1)
    for program in (P().call(w.second, b"query", ask.code), P().call(w.second, b"query", P().reply().code, reply=ask)):
        expect(w.number(w.client.query(w.shared, "crun", program.drop().code)) == 0)


@case("composite: endless calls end")
def _(w):
    program = P()
    for _ in range(120):
        program = program + P().call(w.second, b"query", P().reply().code, reply=P(), reject=P()).drop()
    rejected(w.client.query(w.shared, "crun", program.code), 5, "IC0526")


# Chunk store.
CHUNK = record(canister_id=PRINCIPAL, chunk=BLOB)


def upload(w, canister, data, client=None):
    return w.management("upload_chunk", encode((CHUNK, {"canister_id": canister, "chunk": data})), canister, client)


@case("chunks: 100 fit, the same one again, not a 101st")
def _(w):
    c = w.create()
    for index in range(100):
        expect(isinstance(upload(w, c, b"chunk %d" % index), bytes))
    expect(isinstance(upload(w, c, b"chunk 5"), bytes))
    rejected(upload(w, c, b"one more"), 5, part="maximum capacity")
    expect(len(candid.decode(w.on("stored_chunks", c))[0]) == 100)


@case("chunks: billed as a mebibyte each")
def _(w):
    c = w.create()
    before = candid.get(w.status(c), "memory_size")
    upload(w, c, b"tiny")
    expect(candid.get(w.status(c), "memory_size") - before >= 1 << 20)


@case("chunks: for controllers")
def _(w): rejected(upload(w, w.create(), b"x", w.stranger), 5, "IC0512")


# Stopping, timers, heartbeats.
@case("stopping: waits for open calls, refuses new ones, can be called off")
def _(w):
    d, stop_itself = stopper(w)
    content, response = w.client.call_raw(d, "run", stop_itself.code, "v2")
    expect(response.status == 202)
    wait(lambda: candid.field_id("stopping") in candid.get(w.status(d), "status"))
    rejected(w.run(d, P().reply()), 5, "IC0509")
    rejected(w.ask(d, P().reply()), 5, "IC0509")
    w.on("start_canister", d)
    path = [b"request_status", hash_of(content), b"reply"]
    wait(lambda: lookup(certificate_tree(w.client.read_state(d, [path]).cbor["certificate"]), path) is not None)
    expect(b"restarted" in lookup(certificate_tree(w.client.read_state(d, [path]).cbor["certificate"]), path))
    expect(w.run(d, P().reply(b"back")) == b"back")


@case("timer: fires once")
def _(w):
    c = w.canister()
    w.run(c, P().hook("timer", P().counter().int(1).add().set_counter()).int(1).global_timer_set().drop().reply())
    wait(lambda: w.number(w.ask(c, P().counter().reply_int())) == 1)
    time.sleep(1.2)
    expect(w.number(w.ask(c, P().counter().reply_int())) == 1)


@case("timer: set again from the timer")
def _(w):
    c = w.canister()
    again = P().counter().int(1).add().set_counter().int(1).global_timer_set().drop()
    w.run(c, P().hook("timer", again).int(1).global_timer_set().drop().reply())
    wait(lambda: w.number(w.ask(c, P().counter().reply_int())) >= 3)
    w.on("stop_canister", c)


@case("timer: unset by an upgrade")
def _(w):
    c = w.canister()
    later = now() + 10**15
    w.run(c, P().int(later).global_timer_set().drop().reply())
    w.install(c, "upgrade")
    expect(w.number(w.run(c, P().int(0).global_timer_set().reply_int())) == 0)


@case("heartbeat: a trap changes nothing and the next one comes")
def _(w):
    c = w.canister()
    w.run(c, P().hook("heartbeat", P().int(9).set_counter().debug_print(b"beat").trap(b"stop")).reply())
    wait(lambda: sum(candid.get(r, "content") == b"beat" for r in logs(w, c)) >= 2)
    expect(w.number(w.ask(c, P().counter().reply_int())) == 0)
    w.on("stop_canister", c)


@case("mint_cycles128 is for the cycles minting canister")
def _(w): rejected(w.run(w.shared, P().int(0).int(1).int(0).mint_cycles128().reply()), 5, "IC0504")


# Requests about requests.
@case("the status of a request on the path of another canister")
def _(w):
    content, _ = w.client.call_raw(w.shared, "run", P().reply().code)
    path = [b"request_status", hash_of(content)]
    expect(w.client.read_state(w.shared, [path]).status == 200)
    refused(w.client.read_state(w.second, [path]), 400)


@case("the status of a management call on the path of its canister")
def _(w):
    content, response = w.client.call_raw(
        MANAGEMENT, "canister_status", encode((ID, {"canister_id": w.shared})), effective=w.shared)
    expect(response.status == 200)
    path = [b"request_status", hash_of(content)]
    found = w.client.read_state(w.shared, [path])
    expect(lookup(certificate_tree(found.cbor["certificate"]), path + [b"status"]) == b"replied")
    refused(w.client.read_state(w.second, [path]), 400)


@case("the subnet's metrics are certified")
def _(w):
    subnet = self_authenticating(w.root_key)
    path = [b"subnet", subnet, b"metrics"]
    found = lookup(certificate_tree(w.client.read_state(subnet, [path], "subnet").cbor["certificate"]), path)
    metrics = cbor2.loads(found)
    expect(metrics["num_canisters"] > 2 and metrics["canister_state_bytes"] > 0, metrics)
    expect(metrics["consumed_cycles_total"][0] > 0 and metrics["update_transactions_total"] > 0, metrics)


@case("metrics for Prometheus")
def _(w):
    page = w.client.http("GET", "/metrics")
    expect(page.status == 200 and page.headers["content-type"].startswith("text/plain; version=0.0.4"), page.headers)
    names = {line.split()[2] for line in page.body.decode().splitlines() if line.startswith("# TYPE")}
    expect({"deai_canisters", "deai_messages_total", "deai_queries_total", "deai_instructions_total",
            "deai_cycles_burned_total", "deai_http_request_seconds", "deai_resident_memory_bytes"} <= names, names)


def resident(w):
    page = w.client.http("GET", "/metrics").body.decode()
    return next(int(line.split()[1]) for line in page.splitlines() if line.startswith("deai_resident_memory_bytes "))


@case("damaged requests leave the memory as it was")
def _(w):
    generator = random.Random(5)
    good = cbor2.dumps(cbor2.CBORTag(55799, w.client.envelope(w.client.content(
        "query", canister_id=w.shared, method_name="query", arg=bytes(4000)))))
    bombs = [b"\x9f" * 5_000_000, b"\x81" * 5_000_000, b"\x9b" + b"\0\0\0\0\x7f\xff\xff\xff" + b"\0" * 4_000_000,
             b"\xa1\x67content" + b"\x80" * 4_900_000, generator.randbytes(5 << 20)]

    def barrage(count):
        for index in range(count):
            body = bytearray(good)
            for _ in range(1 + index % 4):
                body[generator.randrange(len(body))] = generator.randrange(256)
            if index % 10 == 0:
                body = bombs[index // 10 % len(bombs)]
            answer = w.client.http("POST", f"/api/v3/canister/{text(w.shared)}/query", bytes(body))
            expect(answer.status in (200, 400, 403, 413), answer.status)
    barrage(100)
    before = resident(w)
    barrage(400)
    expect(resident(w) - before < 64 << 20, resident(w) - before)


# Senders.
class SecurityKey:
    """A sender whose key is a WebAuthn credential: ES256 over authenticator data and client data."""

    def __init__(self, algorithm=-7):
        self.private = ecdsa.SigningKey.generate(curve=ecdsa.NIST256p)
        point = self.private.get_verifying_key().to_string()
        cose = cbor2.dumps({1: 2, 3: algorithm, -1: 1, -2: point[:32], -3: point[32:]})
        bits = b"\x03" + leb128_der(len(cose) + 1) + b"\0" + cose
        body = bytes.fromhex("300c060a2b0601040183b8430101") + bits
        self.der = b"\x30" + leb128_der(len(body)) + body
        self.principal = self_authenticating(self.der)

    def sign(self, message, challenge=None, data=b"\x05" * 37):
        encoded = base64.urlsafe_b64encode(challenge or message).rstrip(b"=").decode()
        client = json.dumps({"type": "webauthn.get", "challenge": encoded, "origin": "http://localhost"}).encode()
        signature = self.private.sign(data + hashlib.sha256(client).digest(), hashfunc=hashlib.sha256,
                                      sigencode=ecdsa.util.sigencode_der)
        return cbor2.dumps(cbor2.CBORTag(55799, {
            "authenticator_data": data, "client_data_json": client.decode(), "signature": signature}))


def leb128_der(length): return bytes([length]) if length < 128 else b"\x81" + bytes([length])


@case("WebAuthn: update, query, read_state")
def _(w):
    client = Client(w.port, SecurityKey())
    expect(w.run(w.shared, P().reply_with("msg_caller"), client) == client.key.principal)
    expect(w.ask(w.shared, P().reply_with("msg_caller"), client) == client.key.principal)
    expect(client.read_state(w.shared, [[b"time"]]).status == 200)


@case("WebAuthn: another challenge, other data, another algorithm, a broken signature")
def _(w):
    for key, change in ((SecurityKey(), {"challenge": b"other"}), (SecurityKey(-257), {})):
        client = Client(w.port, key)
        content = client.content("query", canister_id=w.shared, method_name="query", arg=b"")
        signed = b"\x0aic-request" + hash_of(content)
        refused(client.post(f"/api/v3/canister/{text(w.shared)}/query",
                            client.envelope(content, sender_sig=key.sign(signed, **change))), 403)
    key = SecurityKey()
    client = Client(w.port, key)
    content = client.content("query", canister_id=w.shared, method_name="query", arg=b"")
    good = cbor2.loads(key.sign(b"\x0aic-request" + hash_of(content)))
    good = getattr(good, "value", good)  # versions of cbor2 differ in what they make of the tag
    for field, value in (("authenticator_data", b"\x04" * 37), ("client_data_json", "{}"), ("signature", b"\x30\x00")):
        bad = cbor2.dumps(cbor2.CBORTag(55799, {**good, field: value}))
        refused(client.post(f"/api/v3/canister/{text(w.shared)}/query", client.envelope(content, sender_sig=bad)), 403)


@case("WebAuthn: delegates to a session key")
def _(w):
    owner, session = SecurityKey(), Key()
    delegation = {"pubkey": session.der, "expiration": now() + 60 * 10**9}
    link = {"delegation": delegation, "signature": owner.sign(b"\x1aic-request-auth-delegation" + hash_of(delegation))}
    client = Client(w.port, owner)
    content = client.content("query", canister_id=w.shared, method_name="query", arg=P().reply_with("msg_caller").code)
    found = client.post(f"/api/v3/canister/{text(w.shared)}/query", client.envelope(content, session, sender_delegation=[link]))
    expect(found.cbor["reply"]["arg"] == owner.principal, found.body)
