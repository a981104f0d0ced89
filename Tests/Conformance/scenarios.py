"""Named cases through HTTP, modelled on the reference test suite of the Internet Computer: one table, one canister that
runs programs, no client library."""

import gzip
import hashlib
import secrets
import sys
import threading
import time

import cbor2
import ecdsa

import candid_lite as candid
import services  # noqa: F401, adds its cases
import universal
from candid_lite import BLOB, BOOL, NAT, NAT64, NULL, PRINCIPAL, TEXT, encode, opt, record, variant, vec
from harness import (ANONYMOUS, MANAGEMENT, Client, Emulator, Key, Suite, certificate_tree, free_socket, hash_of, leb128,
                     lookup, now, self_authenticating, text)
from universal import P
from world import (ANYWHERE, CASES, EMPTY, ID, MODE, MODULE, NOWHERE, World, case, expect, refused, rejected, wait)


def replies(title, program, expected, query=None):
    """A program that answers the same as update and as query, unless told otherwise."""
    if query is not False:
        CASES.append((title + ", query", lambda w: expect(w.ask(w.shared, program) == expected,
                                                          w.ask(w.shared, program))))
    CASES.append((title + ", update", lambda w: expect(w.run(w.shared, program) == expected, w.run(w.shared, program))))


def fails(title, program, code, error, part="", query=True, update=True):
    if query:
        CASES.append((title + ", query", lambda w: rejected(w.ask(w.shared, program), code, error, part)))
    if update:
        CASES.append((title + ", update", lambda w: rejected(w.run(w.shared, program), code, error, part)))


# What programs answer.
replies("empty reply", P().reply(), b"")
replies("reply", P().reply(b"hello"), b"hello")
replies("reply in pieces", P().msg_reply_data_append(b"a").msg_reply_data_append(b"bc").msg_reply(), b"abc")
replies("a megabyte of reply", P().int(0x110000).int(65).int(1 << 19).fill().msg_reply_data_append(
    0x110000, 1 << 19).msg_reply_data_append(0x110000, 1 << 19).msg_reply(), b"A" * (1 << 20))
replies("the reply counts, not what comes after", P().reply(b"x").debug_print(b"done"), b"x")
replies("canister_status is running", P().canister_status().reply_int(), (1).to_bytes(8, "little"))
replies("in_replicated_execution", P().in_replicated_execution().reply_int(), (1).to_bytes(8, "little"), query=False)
replies("no certificate", P().data_certificate_present().reply_int(), (0).to_bytes(8, "little"), query=False)
replies("controller", P().blob(Key(seed=b"controller").principal).is_controller().reply_int(), (1).to_bytes(8, "little"))
replies("not a controller", P().blob(b"\x04").is_controller().reply_int(), (0).to_bytes(8, "little"))
replies("stable_size of nothing", P().stable64_size().reply_int(), bytes(8))
replies("stable_grow by nothing", P().stable64_grow(0).reply_int(), bytes(8))
replies("stable_grow too far", P().stable64_grow(1 << 40).reply_int(), b"\xff" * 8)
replies("memory.grow too far", P().int(70000).grow().reply_int(), (2**32 - 1).to_bytes(8, "little"))
replies("no environment variables", P().env_var_count().reply_int(), bytes(8))
replies("a variable that is not there", P().blob(b"X").env_var_name_exists().reply_int(), bytes(8))

# What fails, and how.
fails("no reply", P(), 5, "IC0506", "did not")
fails("reject", P().reject(b"go away"), 4, "IC0406", "go away")
fails("reject with nothing", P().reject(b""), 4, "IC0406")
fails("reject with what is not UTF-8", P().reject(b"\xff\xfe"), 5, "IC0504")
fails("trap", P().trap(b"ouch"), 5, "IC0503", "ouch")
fails("trap with nothing", P().trap(b""), 5, "IC0503")
fails("unreachable", P().unreachable(), 5, "IC0502", "unreachable")
fails("division by zero", P().int(1).int(0).divide(), 5, "IC0502")
fails("out of bounds", P().int(1 << 30).load(), 5, "IC0502")
fails("reply twice", P().reply().msg_reply(), 5, "IC0504")
fails("reply after reject", P().reject(b"x").msg_reply(), 5, "IC0504")
fails("reject after reply", P().reply().reject(b"x"), 5, "IC0504")
fails("append after reply", P().reply().msg_reply_data_append(b"x"), 5, "IC0504")
fails("append out of bounds", P().msg_reply_data_append(1 << 31, 10), 5, "IC0502")
fails("trap after reply", P().reply(b"lost").trap(b"late"), 5, "IC0503", "late")
fails("copy past the argument", P().int(0).int(1 << 20).int(1).msg_arg_data_copy(), 5, "IC0504")
fails("copy to outside", P().int(1 << 30).int(0).int(1).msg_arg_data_copy(), 5, "IC0502")
fails("is_controller of 30 bytes", P().blob(b"x" * 30).is_controller(), 5, "IC0504")
fails("performance_counter of an unknown kind", P().int(2).performance_counter(), 5, "IC0504")
fails("stable_read outside", P().stable64_read(0, 0, 1), 5, "IC0502")
fails("stable_write outside", P().stable64_write(0, 0, 1), 5, "IC0502")
fails("stable_grow traps late", P().int(1).stable64_grow().int(1 << 40).int(0).int(1).stable64_read(), 5, "IC0502")
fails("call_perform without a call", P().call_perform(), 5, "IC0504", query=False)
fails("call_data_append without a call", P().call_data_append(b"x"), 5, "IC0504", query=False)
fails("call_on_cleanup without a call", P().call_on_cleanup(255, 0), 5, "IC0504", query=False)
fails("call_cycles_add without a call", P().call_cycles_add128(0, 1), 5, "IC0504", query=False)
fails("certified data of 33 bytes", P().certified_data_set(b"x" * 33), 5, "IC0504", query=False)
fails("stable32 of nothing read", P().stable_read(0, 0, 1), 5, "IC0502")
fails("missing environment variable", P().blob(b"X").env_var_value_size(), 5, "IC0504")
fails("environment variable 0", P().int(0).env_var_name_size(), 5, "IC0504")
for name, program in {
        "msg_reject_code": P().msg_reject_code(), "msg_reject_msg_size": P().msg_reject_msg_size(),
        "msg_method_name_size": P().msg_method_name_size(), "accept_message": P().accept_message(),
        "msg_cycles_refunded128": P().msg_cycles_refunded128(0)}.items():
    fails(f"{name} in the wrong place", program, 5, "IC0504", "cannot be executed")
for name, program in {
        "call_new": P().call(NOWHERE, b"x", b""), "certified_data_set": P().certified_data_set(b""),
        "cycles_burn128": P().cycles_burn128(0, 1, 0), "global_timer_set": P().global_timer_set(1).drop(),
        "msg_cycles_accept128": P().msg_cycles_accept128(0, 1, 0),
        "msg_cycles_available128": P().msg_cycles_available128(0), "root_key_size": P().root_key_size()}.items():
    fails(f"{name} in a query", program, 5, "IC0504", "cannot be executed", update=False)
for name, program in {
        "data_certificate_size": P().data_certificate_size(),
        "data_certificate_copy": P().data_certificate_copy(0, 0, 0)}.items():
    fails(f"{name} in an update", program, 5, "IC0504", query=False)


@case("caller, self, subnet and root key")
def _(w):
    expect(w.ask(w.shared, P().reply_with("msg_caller")) == w.key.principal)
    expect(w.ask(w.shared, P().reply_with("msg_caller"), w.anonymous) == ANONYMOUS)
    expect(w.run(w.shared, P().reply_with("msg_caller"), w.anonymous) == ANONYMOUS)
    expect(w.run(w.shared, P().reply_with("canister_self")) == w.shared)
    expect(w.run(w.shared, P().reply_with("subnet_self")) == self_authenticating(w.root_key))
    expect(w.run(w.shared, P().reply_with("root_key")) == w.root_key)


@case("time is that of the machine and moves")
def _(w):
    first, second = (w.number(w.run(w.shared, P().time().reply_int())) for _ in range(2))
    expect(first < second and abs(now() - second) < 30 * 10**9, (first, second))


@case("time does not move within a message")
def _(w):
    program = P().int(0).time().store().int(8).time().store().msg_reply_data_append(0, 16).msg_reply()
    reply = w.run(w.shared, program)
    expect(reply[:8] == reply[8:], reply)


@case("a query changes nothing")
def _(w):
    before = w.number(w.ask(w.shared, P().counter().reply_int()))
    expect(w.number(w.ask(w.shared, P().int(before + 9).set_counter().counter().reply_int())) == before + 9)
    expect(w.number(w.ask(w.shared, P().counter().reply_int())) == before)


@case("an update changes globals, memory and stable memory")
def _(w):
    c = w.canister()
    w.run(c, P().int(77).set_counter().int(2048).int(88).store().stable64_grow(1).drop().int(0).int(0).int(8)
          .stable64_write().reply())
    program = P().int(0).counter().store().int(8).int(2048).load().store().int(16).stable64_size().store()
    reply = w.ask(c, program.msg_reply_data_append(0, 24).msg_reply())
    expect([w.number(reply[i:i + 8]) for i in (0, 8, 16)] == [77, 88, 1], reply)


@case("a trap undoes everything")
def _(w):
    c = w.canister()
    rejected(w.run(c, P().int(7).set_counter().int(2048).int(8).store().stable64_grow(2).drop().trap(b"undo")), 5, "IC0503")
    reply = w.ask(c, P().int(0).counter().store().int(8).int(2048).load().store().int(16).stable64_size().store()
                  .msg_reply_data_append(0, 24).msg_reply())
    expect(reply == bytes(24), reply)


@case("stable memory keeps what is written")
def _(w):
    c = w.canister()
    w.run(c, P().stable64_grow(1).drop().int(100).blob(b"kept bytes").stable64_write().reply())
    expect(w.ask(c, P().stable64_read(0, 100, 10).msg_reply_data_append(0, 10).msg_reply()) == b"kept bytes")
    expect(w.ask(c, P().stable_read(0, 100, 10).msg_reply_data_append(0, 10).msg_reply()) == b"kept bytes")


@case("endless loops end: query")
def _(w): rejected(w.ask(w.shared, P().forever()), 5, "IC0522")


@case("instructions are counted")
def _(w):
    short, long = (w.number(w.ask(w.shared, P().int(0x110000).int(1).int(size).fill().int(0).performance_counter()
                                  .reply_int())) for size in (1000, 101000))
    expect(long - short > 90_000, (short, long))


for missing, kind in (("missing", "update"), ("query", None), ("canister_init", "update")):
    if kind:
        CASES.append((f"no method '{missing}', update",
                      lambda w, m=missing: rejected(w.client.update(w.shared, m), 5, "IC0536", m)))
        CASES.append((f"no method '{missing}', query",
                      lambda w, m=missing: rejected(w.client.query(w.shared, m), 5, "IC0536", m)))


@case("a query method called as an update runs replicated")
def _(w):
    reply = w.client.update(w.shared, "query", P().in_replicated_execution().reply_int().code)
    expect(w.number(reply) == 1, reply)
    w.client.update(w.shared, "query", P().int(4242).set_counter().reply().code)
    expect(w.number(w.ask(w.shared, P().counter().reply_int())) != 4242)


@case("an update method is no query")
def _(w): rejected(w.client.query(w.shared, "run", P().reply().code), 5, "IC0536")


@case("a composite query is no update")
def _(w): rejected(w.client.update(w.shared, "crun", P().reply().code), 5, "IC0527")


@case("composite query asks another canister")
def _(w):
    program = P().call(w.second, b"query", P().reply(b"inner").code).drop()
    expect(w.client.query(w.shared, "crun", program.code) == b"inner")


@case("composite query asks itself")
def _(w):
    program = P().call(w.shared, b"query", P().reply_with("msg_caller").code).drop()
    expect(w.client.query(w.shared, "crun", program.code) == w.shared)


@case("composite query cannot update")
def _(w):
    reply = w.client.query(w.shared, "crun", P().call(w.second, b"run", P().reply().code).drop().code)
    expect(b"no query method 'run'" in reply, reply)


@case("unknown canister")
def _(w):
    rejected(w.client.update(NOWHERE, "run"), 3, "IC0301")
    rejected(w.client.query(NOWHERE, "query"), 3, "IC0301")


# Calls between canisters.
@case("call another canister")
def _(w):
    expect(w.run(w.shared, P().call(w.second, b"run", P().reply(b"from afar").code).drop()) == b"from afar")


@case("the callee sees the caller")
def _(w):
    expect(w.run(w.shared, P().call(w.second, b"run", P().reply_with("msg_caller").code).drop()) == w.shared)


@case("call itself")
def _(w):
    expect(w.run(w.shared, P().call(w.shared, b"run", P().reply(b"self").code).drop()) == b"self")


@case("call a query method")
def _(w):
    expect(w.run(w.shared, P().call(w.second, b"query", P().reply(b"q").code).drop()) == b"q")


@case("the callee rejects")
def _(w):
    program = P().call(w.second, b"run", P().reject(b"no thanks").code).drop()
    expect(b"no thanks" in w.run(w.shared, program))


@case("the callee traps")
def _(w):
    program = P().call(w.second, b"run", P().trap(b"oops").code, reject=P().msg_reject_code().reply_int()).drop()
    expect(w.number(w.run(w.shared, program)) == 5)


@case("the callee does not exist")
def _(w):
    program = P().call(NOWHERE, b"run", b"", reject=P().msg_reject_code().reply_int()).drop()
    expect(w.number(w.run(w.shared, program)) == 3)


@case("the callee has no such method")
def _(w):
    program = P().call(w.second, b"nothing", b"", reject=P().msg_reject_code().reply_int()).drop()
    expect(w.number(w.run(w.shared, program)) == 5)


@case("the callee does not answer")
def _(w):
    program = P().call(w.second, b"run", b"", reject=P().msg_reject_code().reply_int()).drop()
    expect(w.number(w.run(w.shared, program)) == 5)


@case("a call without a reply of its own")
def _(w): rejected(w.run(w.shared, P().call(w.second, b"run", P().reply().code, reply=P()).drop()), 5, "IC0506")


@case("reply before the call returns")
def _(w): expect(w.run(w.shared, P().call(w.second, b"run", P().reply().code, reply=P()).drop().reply(b"early")) == b"early")


@case("two calls at once")
def _(w):
    add = P().counter().int(1).add().set_counter()
    c = w.canister()
    w.run(c, P().call(w.second, b"run", P().reply().code, reply=add).drop().call(
        w.second, b"run", P().reply().code, reply=add).drop().reply())
    wait(lambda: w.number(w.ask(c, P().counter().reply_int())) == 2)


@case("a callback traps: its changes are undone, those before the call stay")
def _(w):
    c = w.canister()
    program = P().int(5).set_counter().call(w.second, b"run", P().reply().code, reply=P().int(6).set_counter().trap(b"cb"))
    rejected(w.run(c, program.drop()), 5, "IC0503", "cb")
    expect(w.number(w.ask(c, P().counter().reply_int())) == 5)


@case("cleanup after a callback that traps")
def _(w):
    c = w.canister()
    program = P().call(w.second, b"run", P().reply().code, reply=P().trap(b"cb"), cleanup=P().int(9).set_counter())
    rejected(w.run(c, program.drop()), 5, "IC0503", "cb")
    expect(w.number(w.ask(c, P().counter().reply_int())) == 9)


@case("cleanup does not run after success")
def _(w):
    c = w.canister()
    w.run(c, P().call(w.second, b"run", P().reply().code, cleanup=P().int(9).set_counter()).drop())
    expect(w.number(w.ask(c, P().counter().reply_int())) == 0)


@case("calls are not sent when the message traps")
def _(w):
    c, d = w.canister(), w.canister()
    rejected(w.run(c, P().call(d, b"run", P().int(1).set_counter().reply().code).drop().trap(b"x")), 5, "IC0503")
    time.sleep(0.1)
    expect(w.number(w.ask(d, P().counter().reply_int())) == 0)


@case("a call that is not performed is dropped")
def _(w):
    program = P().blob(w.second).blob(b"run").int(255).int(0).int(255).int(0).call_new().reply(b"dropped")
    expect(w.run(w.shared, program) == b"dropped")


@case("cycles are offered, accepted and refunded")
def _(w):
    c = w.canister()
    take = P().msg_cycles_accept128(0, 10**9, 0).reply_amount("msg_cycles_available128")
    program = P().call(w.second, b"run", take.code, cycles=3 * 10**9, reply=P().reply_amount("msg_cycles_refunded128"))
    expect(w.number(w.run(c, program.drop())) == 2 * 10**9)


@case("cycles that nobody accepts come back")
def _(w):
    c = w.canister()
    program = P().call(w.second, b"run", P().reply().code, cycles=10**9, reply=P().reply_amount("msg_cycles_refunded128"))
    expect(w.number(w.run(c, program.drop())) == 10**9)


@case("more cycles than there are")
def _(w): rejected(w.run(w.shared, P().call(w.second, b"run", b"", cycles=2**63).drop()), 2, "IC0207")


@case("an ingress message has no cycles")
def _(w): expect(w.number(w.run(w.shared, P().reply_amount("msg_cycles_available128"))) == 0)


@case("balance and liquid balance")
def _(w):
    balance, liquid = (w.number(w.run(w.shared, P().reply_amount(f"canister_{kind}balance128")))
                       for kind in ("cycle_", "liquid_cycle_"))
    expect(0 < liquid <= balance + 10**12 and balance > 10**13, (balance, liquid))


@case("cycles are burned")
def _(w):
    c = w.canister()
    before = candid.get(w.status(c), "cycles")
    expect(w.number(w.run(c, P().cycles_burn128(0, 10**12, 0).msg_reply_data_append(0, 16).msg_reply())) == 10**12)
    expect(before - candid.get(w.status(c), "cycles") > 10**12)


@case("best-effort call")
def _(w):
    expect(w.run(w.shared, P().call(w.second, b"run", P().msg_deadline().reply_int().code, timeout=10).drop()) != bytes(8))


@case("a guaranteed call has no deadline")
def _(w): expect(w.run(w.shared, P().call(w.second, b"run", P().msg_deadline().reply_int().code).drop()) == bytes(8))


@case("random bytes")
def _(w):
    program = P().call(MANAGEMENT, b"raw_rand", encode()).drop()
    first, second = w.run(w.shared, program), w.run(w.shared, program)
    expect(len(candid.decode(first)[0]) == 32 and first != second, first)


@case("raw_rand is not for users")
def _(w): rejected(w.management("raw_rand", encode()), 4)


@case("a canister creates a canister")
def _(w):
    c = w.canister()
    reply = w.run(c, P().call(MANAGEMENT, b"create_canister", encode((record(settings=opt(NULL)), {"settings": None})),
                              cycles=10**12).drop())
    child = candid.get(candid.decode(reply)[0], "canister_id")
    rejected(w.on("canister_status", child), 5, "IC0512")


@case("a canister without cycles creates nothing")
def _(w):
    program = P().call(MANAGEMENT, b"create_canister", encode((record(settings=opt(NULL)), {"settings": None})), cycles=1)
    expect(isinstance(w.run(w.canister(), program.drop()), bytes))


@case("deposit_cycles")
def _(w):
    c, d = w.canister(), w.canister()
    before = candid.get(w.status(d), "cycles")
    w.run(c, P().call(MANAGEMENT, b"deposit_cycles", encode((ID, {"canister_id": d})), cycles=10**12).drop())
    expect(candid.get(w.status(d), "cycles") - before > 9 * 10**11)


for title, method in (("threshold ECDSA", b"sign_with_ecdsa"), ("threshold Schnorr", b"sign_with_schnorr"),
                      ("vetKD", b"vetkd_derive_key")):
    @case(f"{title} says that it is not emulated")
    def _(w, method=method):
        expect(b"not emulated" in w.run(w.shared, P().call(MANAGEMENT, method, encode()).drop()))


# Timers, heartbeats, certified data, logs.
@case("global timer")
def _(w):
    c = w.canister()
    expect(w.number(w.run(c, P().hook("timer", P().int(31).set_counter()).int(1).global_timer_set().reply_int())) == 0)
    wait(lambda: w.number(w.ask(c, P().counter().reply_int())) == 31)


@case("the timer tells what it was")
def _(w):
    c = w.canister()
    later = now() + 10**15
    w.run(c, P().int(later).global_timer_set().drop().reply())
    expect(w.number(w.run(c, P().int(0).global_timer_set().reply_int())) == later)


@case("heartbeat")
def _(w):
    c = w.canister()
    w.run(c, P().hook("heartbeat", P().counter().int(1).add().set_counter()).reply())
    wait(lambda: w.number(w.ask(c, P().counter().reply_int())) >= 2)
    w.on("stop_canister", c)


@case("certified data")
def _(w):
    c = w.canister()
    w.run(c, P().certified_data_set(b"certified!").reply())
    tree = certificate_tree(w.ask(c, P().reply_with("data_certificate")))
    expect(lookup(tree, [b"canister", c, b"certified_data"]) == b"certified!")
    expect(lookup(tree, [b"time"]) is not None)


@case("certified data survives an upgrade and is cleared by a reinstall")
def _(w):
    c = w.canister()
    path = [b"canister", c, b"certified_data"]
    w.run(c, P().certified_data_set(b"here").reply())
    w.install(c, "upgrade")
    expect(lookup(certificate_tree(w.ask(c, P().reply_with("data_certificate"))), path) == b"here")
    w.install(c, "reinstall")
    expect(lookup(certificate_tree(w.ask(c, P().reply_with("data_certificate"))), path) == b"")


@case("logs keep prints and traps of updates")
def _(w):
    c = w.canister()
    w.run(c, P().debug_print(b"line one").reply())
    w.ask(c, P().debug_print(b"of a query").reply())
    w.run(c, P().trap(b"the end"))
    reply = w.client.query(MANAGEMENT, "fetch_canister_logs", encode((ID, {"canister_id": c})), effective=c)
    contents = [candid.get(r, "content") for r in candid.get(candid.decode(reply)[0], "canister_log_records")]
    expect(contents[0] == b"line one" and b"the end" in contents[-1] and b"of a query" not in contents, contents)


@case("logs are for controllers")
def _(w):
    reply = w.stranger.query(MANAGEMENT, "fetch_canister_logs", encode((ID, {"canister_id": w.shared})), effective=w.shared)
    expect(isinstance(reply, dict) and reply["status"] == "rejected", reply)


# Inspection.
@case("inspect_message refuses")
def _(w):
    c = w.canister()
    w.run(c, P().hook("inspect", P()).reply())
    rejected(w.run(c, P().reply()), 4, "IC0406")
    expect(w.ask(c, P().reply(b"queries pass")) == b"queries pass")
    expect(w.run(w.shared, P().call(c, b"run", P().reply(b"canisters pass").code).drop()) == b"canisters pass")


@case("inspect_message traps")
def _(w):
    c = w.canister()
    w.run(c, P().hook("inspect", P().trap(b"not today")).reply())
    rejected(w.run(c, P().reply()), 5, "IC0503", "not today")


@case("inspect_message accepts")
def _(w):
    c = w.canister()
    w.run(c, P().hook("inspect", P().accept_message()).reply())
    expect(w.run(c, P().reply(b"in")) == b"in")


@case("inspect_message cannot accept twice")
def _(w):
    c = w.canister()
    w.run(c, P().hook("inspect", P().accept_message().accept_message()).reply())
    rejected(w.run(c, P().reply()), 5)


@case("inspect_message does not look at management calls")
def _(w):
    c = w.canister()
    w.run(c, P().hook("inspect", P()).reply())
    expect(isinstance(w.on("stop_canister", c), bytes))


# Install, upgrade, life cycle.
@case("init gets its argument")
def _(w): expect(w.number(w.ask(w.canister(P().int(123).set_counter().code), P().counter().reply_int())) == 123)


@case("init traps: nothing is installed")
def _(w):
    c = w.create()
    rejected(w.install(c, argument=P().trap(b"no init").code), 5, "IC0503", "no init")
    rejected(w.run(c, P().reply()), 5, "IC0537")


@case("init cannot reply")
def _(w): rejected(w.install(w.create(), argument=P().msg_reply().code), 5, "IC0504")


@case("init cannot call")
def _(w): rejected(w.install(w.create(), argument=P().call(w.shared, b"run", b"").code), 5, "IC0504")


@case("an upgrade keeps stable memory and drops the rest")
def _(w):
    c = w.canister(P().int(3).set_counter().stable64_grow(3).drop().code)
    expect(isinstance(w.install(c, "upgrade"), bytes))
    reply = w.ask(c, P().int(0).counter().store().int(8).stable64_size().store().msg_reply_data_append(0, 16).msg_reply())
    expect(w.number(reply[:8]) == 0 and w.number(reply[8:]) == 3, reply)


@case("a reinstall drops stable memory")
def _(w):
    c = w.canister(P().stable64_grow(3).drop().code)
    w.install(c, "reinstall")
    expect(w.number(w.ask(c, P().stable64_size().reply_int())) == 0)


@case("pre_upgrade runs and may write stable memory")
def _(w):
    c = w.canister()
    w.run(c, P().hook("pre_upgrade", P().stable64_grow(7).drop()).reply())
    w.install(c, "upgrade")
    expect(w.number(w.ask(c, P().stable64_size().reply_int())) == 7)


@case("pre_upgrade traps: the old code stays")
def _(w):
    c = w.canister(P().int(3).set_counter().code)
    w.run(c, P().hook("pre_upgrade", P().trap(b"not now")).reply())
    rejected(w.install(c, "upgrade"), 5, "IC0503", "not now")
    expect(w.number(w.ask(c, P().counter().reply_int())) == 3)


@case("pre_upgrade can be skipped")
def _(w):
    c = w.canister()
    w.run(c, P().hook("pre_upgrade", P().trap(b"not now")).reply())
    expect(isinstance(w.install(c, "upgrade", skip=True), bytes))


@case("post_upgrade traps: the old code stays")
def _(w):
    c = w.canister(P().int(3).set_counter().code)
    rejected(w.install(c, "upgrade", argument=P().trap(b"bad start").code), 5, "IC0503", "bad start")
    expect(w.number(w.ask(c, P().counter().reply_int())) == 3)


@case("install twice")
def _(w): rejected(w.install(w.canister()), 5)


@case("upgrade of nothing")
def _(w): rejected(w.install(w.create(), "upgrade"), 5, "IC0537")


@case("reinstall of nothing")
def _(w): expect(isinstance(w.install(w.create(), "reinstall"), bytes))


@case("an empty module")
def _(w):
    c = w.create()
    expect(isinstance(w.install(c, module=EMPTY), bytes))
    rejected(w.run(c, P().reply()), 5, "IC0536")


@case("a module in gzip")
def _(w):
    packed = gzip.compress(MODULE)
    c = w.create()
    expect(isinstance(w.install(c, module=packed), bytes))
    expect(candid.get(w.status(c), "module_hash") == hashlib.sha256(packed).digest())


def module_with(*sections): return EMPTY + b"".join(sections)


VOID = universal.section(1, b"\x01\x60\0\0")
BAD_MODULES = {
    "not a module": b"hello", "nothing": b"", "a module cut short": MODULE[:-3],
    "an unknown import": module_with(VOID, universal.section(2, b"\x01\x03ic0\x04nope\0\0")),
    "an import with the wrong type": module_with(VOID, universal.section(2, b"\x01\x03ic0\x04time\0\0")),
    "an import of another module": module_with(VOID, universal.section(2, b"\x01\x03env\x04time\0\0")),
    "a method with a result": module_with(
        universal.section(1, b"\x01\x60\0\1\x7f"), universal.section(3, b"\1\0"),
        universal.section(7, b"\1\x11canister_update x\0\0"), universal.section(10, b"\1\4\0\x41\0\x0b")),
    "an unknown canister_ export": module_with(
        VOID, universal.section(3, b"\1\0"), universal.section(7, b"\1\x0ccanister_nope\0\0"),
        universal.section(10, b"\1\2\0\x0b")),
    "a body that does not validate": module_with(
        VOID, universal.section(3, b"\1\0"), universal.section(10, b"\1\3\0\x1a\x0b")),
    "gzip of nothing": bytes.fromhex("1f8b0800000000000003") + b"\0" * 8,
    "gzip cut short": bytes.fromhex("1f8b08000000000000034b"),
}
for title, bad in BAD_MODULES.items():
    CASES.append((f"refused module: {title}", lambda w, bad=bad: rejected(w.install(w.create(), module=bad), 5, "IC0505")))


@case("uninstall")
def _(w):
    c = w.canister()
    expect(isinstance(w.on("uninstall_code", c), bytes))
    rejected(w.run(c, P().reply()), 5, "IC0537")
    expect(candid.get(w.status(c), "module_hash") is None)
    expect(isinstance(w.install(c), bytes))


@case("stop and start")
def _(w):
    c = w.canister()
    expect(isinstance(w.on("stop_canister", c), bytes))
    expect(candid.field_id("stopped") in candid.get(w.status(c), "status"))
    rejected(w.run(c, P().reply()), 5, "IC0508")
    rejected(w.ask(c, P().reply()), 5, "IC0508")
    expect(isinstance(w.on("start_canister", c), bytes))
    expect(w.run(c, P().reply(b"back")) == b"back")


@case("stop twice, start twice")
def _(w):
    c = w.canister()
    for method in ("stop_canister", "stop_canister", "start_canister", "start_canister"):
        expect(isinstance(w.on(method, c), bytes), method)


@case("delete needs a stopped canister")
def _(w): rejected(w.on("delete_canister", w.canister()), 5, "IC0510")


@case("a deleted canister is gone")
def _(w):
    c = w.canister()
    w.on("stop_canister", c)
    expect(isinstance(w.on("delete_canister", c), bytes))
    rejected(w.run(c, P().reply()), 3, "IC0301")
    rejected(w.on("start_canister", c), 3, "IC0301")
    expect(w.create() != c)


@case("a stopped canister can be upgraded")
def _(w):
    c = w.canister()
    w.on("stop_canister", c)
    expect(isinstance(w.install(c, "upgrade"), bytes))


for method in ("start_canister", "stop_canister", "delete_canister", "uninstall_code", "canister_status",
               "clear_chunk_store", "stored_chunks"):
    CASES.append((f"{method} is for controllers",
                  lambda w, m=method: rejected(w.on(m, w.shared, w.stranger), 5, "IC0512")))
CASES.append(("install_code is for controllers",
              lambda w: rejected(w.install(w.shared, "reinstall", client=w.stranger), 5, "IC0512")))
CASES.append(("update_settings is for controllers", lambda w: rejected(
    w.settings(w.shared, w.stranger, freezing_threshold=(NAT, 1)), 5, "IC0512")))


@case("controllers can be changed")
def _(w):
    c = w.create()
    stranger = w.stranger.key.principal
    expect(isinstance(w.settings(c, controllers=(vec(PRINCIPAL), [stranger])), bytes))
    rejected(w.on("canister_status", c), 5, "IC0512")
    expect(isinstance(w.on("canister_status", c, w.stranger), bytes))


@case("eleven controllers are too many")
def _(w):
    eleven = [Key(seed=bytes([i])).principal for i in range(11)]
    rejected(w.settings(w.create(), controllers=(vec(PRINCIPAL), eleven)), 4)


@case("settings are shown as they were set")
def _(w):
    c = w.create(freezing_threshold=(NAT, 1234), compute_allocation=(NAT, 1))
    settings = candid.get(w.status(c), "settings")
    expect(candid.get(settings, "freezing_threshold") == 1234 and candid.get(settings, "compute_allocation") == 1, settings)


@case("compute allocation over 100")
def _(w): expect("reject_code" in w.settings(w.create(), compute_allocation=(NAT, 101)))


@case("a huge freezing threshold")
def _(w): expect("reject_code" in w.settings(w.create(), freezing_threshold=(NAT, 2**64)))


@case("environment variables")
def _(w):
    variable = record(name=TEXT, value=TEXT)
    c = w.canister()
    w.settings(c, environment_variables=(vec(variable), [{"name": "KEY", "value": "a value"}]))
    expect(w.number(w.ask(c, P().env_var_count().reply_int())) == 1)
    program = P().blob(b"KEY").int(512).int(0).int(7).env_var_value_copy().msg_reply_data_append(512, 7).msg_reply()
    expect(w.ask(c, program) == b"a value")


@case("a specified id")
def _(w):
    wanted = b"\0" * 6 + b"\x03\x45" + b"\1\1"
    argument = encode((record(amount=opt(NAT), specified_id=opt(PRINCIPAL)), {"amount": None, "specified_id": wanted}))
    reply = w.management("provisional_create_canister_with_cycles", argument)
    expect(candid.get(candid.decode(reply)[0], "canister_id") == wanted, reply)
    expect("reject_code" in w.management("provisional_create_canister_with_cycles", argument))


@case("an amount of cycles")
def _(w): expect(candid.get(w.status(w.create(amount=7 * 10**12)), "cycles") <= 7 * 10**12)


@case("top up")
def _(w):
    c = w.create(amount=10**12)
    argument = encode((record(canister_id=PRINCIPAL, amount=NAT), {"canister_id": c, "amount": 5 * 10**12}))
    expect(isinstance(w.management("provisional_top_up_canister", argument, c, w.stranger), bytes))
    expect(candid.get(w.status(c), "cycles") > 5 * 10**12)


@case("a frozen canister")
def _(w):
    c = w.canister(amount=10**12)
    w.settings(c, freezing_threshold=(NAT, 10**15))
    reply = w.run(c, P().reply())
    expect(isinstance(reply, dict) and reply["reject_code"] == 2 and reply["error_code"] == "IC0207", reply)


@case("canister_version counts changes")
def _(w):
    c = w.canister()
    first = w.number(w.ask(c, P().canister_version().reply_int()))
    w.run(c, P().reply())
    expect(w.number(w.ask(c, P().canister_version().reply_int())) > first)


@case("chunks: upload, list, install, clear")
def _(w):
    c = w.create()
    half = len(MODULE) // 2
    shape = record(canister_id=PRINCIPAL, chunk=BLOB)
    hashes = []
    for part in (MODULE[:half], MODULE[half:]):
        reply = w.management("upload_chunk", encode((shape, {"canister_id": c, "chunk": part})), c)
        hashes.append(candid.get(candid.decode(reply)[0], "hash"))
    expect(hashes == [hashlib.sha256(p).digest() for p in (MODULE[:half], MODULE[half:])])
    expect(len(candid.decode(w.on("stored_chunks", c))[0]) == 2)
    chunk = record(hash=BLOB)

    def install(module_hash):
        return w.management("install_chunked_code", encode((
            record(mode=MODE, target_canister=PRINCIPAL, store_canister=opt(PRINCIPAL), chunk_hashes_list=vec(chunk),
                   wasm_module_hash=BLOB, arg=BLOB),
            {"mode": {"install": None}, "target_canister": c, "store_canister": None,
             "chunk_hashes_list": [{"hash": h} for h in hashes], "wasm_module_hash": module_hash, "arg": b""})), c)
    expect("reject_code" in install(bytes(32)))
    expect(isinstance(install(hashlib.sha256(MODULE).digest()), bytes))
    expect(w.run(c, P().reply(b"chunked")) == b"chunked")
    w.on("clear_chunk_store", c)
    expect(candid.decode(w.on("stored_chunks", c))[0] in ([], b""))


@case("a chunk over a mebibyte")
def _(w):
    c = w.create()
    shape = record(canister_id=PRINCIPAL, chunk=BLOB)
    expect("reject_code" in w.management("upload_chunk", encode((shape, {"canister_id": c, "chunk": bytes(2**20 + 1)})), c))


@case("an unknown management method")
def _(w): rejected(w.management("no_such_method", encode((ID, {"canister_id": w.shared})), w.shared), 5)


@case("management arguments that are no Candid")
def _(w): expect("http" in w.management("canister_status", b"junk", w.shared))


@case("create_canister is for canisters")
def _(w): expect("reject_code" in w.management("create_canister", encode((record(settings=opt(NULL)), {"settings": None}))))


@case("canister_info of a canister")
def _(w):
    shape = record(canister_id=PRINCIPAL, num_requested_changes=opt(NAT64))
    argument = encode((shape, {"canister_id": w.second, "num_requested_changes": 10}))
    info = candid.decode(w.run(w.shared, P().call(MANAGEMENT, b"canister_info", argument).drop()))[0]
    expect(candid.get(info, "total_num_changes") == 2 and candid.get(info, "controllers") == [w.key.principal], info)


@case("canister_status as a query")
def _(w):
    reply = w.client.query(MANAGEMENT, "canister_status", encode((ID, {"canister_id": w.shared})), effective=w.shared)
    expect(isinstance(reply, bytes), reply)


# The HTTP interface.
@case("status")
def _(w):
    found = w.client.http("GET", "/api/v2/status")
    expect(found.cbor["root_key"] == w.root_key and found.cbor["replica_health_status"] == "healthy")
    expect(found.headers["content-type"] == "application/cbor" and found.body[:3] == b"\xd9\xd9\xf7")


for version in ("v2", "v3", "v4"):
    @case(f"call {version}: answers")
    def _(w, version=version):
        content, response = w.client.call_raw(w.shared, "run", P().reply(b"v").code, version)
        if version == "v2":
            expect(response.status == 202, response.status)
            return
        expect(response.status == 200 and response.cbor["status"] == "replied", response.status)
        tree = certificate_tree(response.cbor["certificate"])
        expect(lookup(tree, [b"request_status", hash_of(content), b"reply"]) == b"v")

    @case(f"call {version}: refused before execution")
    def _(w, version=version):
        _, response = w.client.call_raw(NOWHERE, "run", b"", version)
        expect(response.status == 200 and response.cbor["reject_code"] == 3, response.status)
        expect((response.cbor.get("status") == "non_replicated_rejection") == (version != "v2"), response.cbor)

    @case(f"call {version}: an expired request")
    def _(w, version=version):
        refused(w.client.call_raw(w.shared, "run", b"", version, ingress_expiry=now() - 10**9)[1], 400, "ingress_expiry")

    @case(f"call {version}: a request of the far future")
    def _(w, version=version):
        refused(w.client.call_raw(w.shared, "run", b"", version, ingress_expiry=now() + 3600 * 10**9)[1], 400)

    @case(f"call {version}: the path of another canister")
    def _(w, version=version):
        refused(w.client.call_raw(w.shared, "run", b"", version, effective=w.second)[1], 400)

for version in ("v2", "v3"):
    @case(f"query {version}: answers and is signed")
    def _(w, version=version):
        content = w.client.content("query", canister_id=w.shared, method_name="query", arg=P().reply(b"q").code)
        response = w.client.post(f"/api/{version}/canister/{text(w.shared)}/query", w.client.envelope(content))
        check_signature(w, response.cbor, hash_of(content))

    @case(f"query {version}: an expired request")
    def _(w, version=version): refused(w.client.query(w.shared, "query", version=version, ingress_expiry=1), 400)

    @case(f"query {version}: the anonymous sender's may be expired")
    def _(w, version=version):
        expect(w.anonymous.query(w.shared, "query", P().reply(b"x").code, version=version, ingress_expiry=1) == b"x")

    @case(f"query {version}: the path of another canister")
    def _(w, version=version): refused(w.client.query(w.shared, "query", effective=w.second, version=version), 400)

    @case(f"read_state {version}: time")
    def _(w, version=version):
        found = w.client.read_state(w.shared, [[b"time"]], version=version)
        expect(lookup(certificate_tree(found.cbor["certificate"]), [b"time"]) is not None)

    @case(f"read_state {version}: an expired request")
    def _(w, version=version): refused(w.client.read_state(w.shared, [], version=version, ingress_expiry=1), 400)

    @case(f"read_state {version}: subnet")
    def _(w, version=version):
        subnet = self_authenticating(w.root_key)
        found = w.client.read_state(subnet, [[b"subnet", subnet, b"public_key"]], "subnet", version)
        expect(lookup(certificate_tree(found.cbor["certificate"]), [b"subnet", subnet, b"public_key"]) == w.root_key)


def check_signature(w, answer, request_id):
    signature, = answer["signatures"]
    fields = {key: value for key, value in answer.items() if key != "signatures"}
    signed = hash_of({**fields, "timestamp": signature["timestamp"], "request_id": request_id})
    subnet = self_authenticating(w.root_key)
    path = [b"subnet", subnet, b"node", signature["identity"], b"public_key"]
    found = w.client.read_state(subnet, [path], "subnet")
    key = lookup(certificate_tree(found.cbor["certificate"]), path)
    ecdsa.VerifyingKey.from_der(key).verify(signature["signature"], b"\x0bic-response" + signed)


@case("a rejected query is signed")
def _(w):
    content = w.client.content("query", canister_id=w.shared, method_name="query", arg=P().reject(b"no").code)
    answer = w.client.post(f"/api/v3/canister/{text(w.shared)}/query", w.client.envelope(content)).cbor
    expect(answer["reject_code"] == 4 and answer["error_code"] == "IC0406", answer)
    check_signature(w, answer, hash_of(content))


@case("a repeated request runs once")
def _(w):
    c = w.canister()
    content = w.client.content("call", canister_id=c, method_name="run",
                               arg=P().counter().int(1).add().set_counter().reply().code)
    for _ in range(3):
        expect(w.client.post(f"/api/v4/canister/{text(c)}/call", w.client.envelope(content)).status == 200)
    expect(w.number(w.ask(c, P().counter().reply_int())) == 1)


def status_of(w, client, content, canister, version="v3"):
    path = [b"request_status", hash_of(content)]
    return client.read_state(canister, [path], version=version)


@case("the status of a request")
def _(w):
    content, _ = w.client.call_raw(w.shared, "run", P().reply(b"kept").code)
    tree = certificate_tree(status_of(w, w.client, content, w.shared).cbor["certificate"])
    path = [b"request_status", hash_of(content)]
    expect(lookup(tree, path + [b"status"]) == b"replied" and lookup(tree, path + [b"reply"]) == b"kept")


@case("the status of a rejected request")
def _(w):
    content, _ = w.client.call_raw(w.shared, "run", P().trap(b"t").code)
    tree = certificate_tree(status_of(w, w.client, content, w.shared).cbor["certificate"])
    path = [b"request_status", hash_of(content)]
    expect(lookup(tree, path + [b"reject_code"]) == b"\5" and lookup(tree, path + [b"error_code"]) == b"IC0503")


@case("the status of an unknown request is absent")
def _(w):
    found = w.client.read_state(w.shared, [[b"request_status", bytes(32)]])
    expect(lookup(certificate_tree(found.cbor["certificate"]), [b"request_status", bytes(32), b"status"]) is None)


@case("the status is the sender's")
def _(w):
    content, _ = w.client.call_raw(w.shared, "run", P().reply().code)
    refused(status_of(w, w.stranger, content, w.shared), 403)


@case("the status of two requests")
def _(w):
    refused(w.client.read_state(w.shared, [[b"request_status", bytes(32)], [b"request_status", b"\1" * 32]]), 400)


STATE = {
    "module_hash": (hashlib.sha256(MODULE).digest(), None),
    "metadata/candid:service": (b"service : { run : (blob) -> () }", None),
    "metadata/secret": (b"for controllers only", 403),
    "metadata/none": (None, None),
}
for name, (expected, others) in STATE.items():
    @case(f"read /canister/ID/{name}")
    def _(w, name=name, expected=expected, others=others):
        path = [b"canister", w.shared] + [part.encode() for part in name.split("/")]
        found = w.client.read_state(w.shared, [path])
        expect(lookup(certificate_tree(found.cbor["certificate"]), path) == expected)
        if others:
            refused(w.stranger.read_state(w.shared, [path]), others)
        else:
            expect(w.anonymous.read_state(w.shared, [path]).status == 200)


@case("read the controllers")
def _(w):
    path = [b"canister", w.shared, b"controllers"]
    found = lookup(certificate_tree(w.client.read_state(w.shared, [path]).cbor["certificate"]), path)
    expect(list(cbor2.loads(found)) == [w.key.principal], found)


@case("an empty canister has no module hash")
def _(w):
    c = w.create()
    path = [b"canister", c, b"module_hash"]
    expect(lookup(certificate_tree(w.client.read_state(c, [path]).cbor["certificate"]), path) is None)


FORBIDDEN = {
    "the root": ([], 404), "an unknown path": ([b"nothing"], 404), "all canisters": ([b"canister"], 404),
    "certified data": ([b"canister", "C", b"certified_data"], 404), "another canister": ([b"canister", "D", b"module_hash"], 400),
    "a short request id": ([b"request_status", b"short"], 400), "a canister id too long": ([b"canister", bytes(40), b"module_hash"], 400),
    "ranges on a canister's path": ([b"canister_ranges", b"x"], 403),
    "a metadata name that is not UTF-8": ([b"canister", "C", b"metadata", b"\xff"], 400),
}
for title, (path, status) in FORBIDDEN.items():
    @case(f"read_state refuses {title}")
    def _(w, path=path, status=status):
        path = [{"C": w.shared, "D": w.second}.get(part, part) if isinstance(part, str) else part for part in path]
        refused(w.client.read_state(w.shared, [path]), status)


@case("read_state of 1,001 paths")
def _(w): refused(w.client.read_state(w.shared, [[b"time"]] * 1001), 400)


@case("read_state of a path of 128 labels")
def _(w): refused(w.client.read_state(w.shared, [[b"x"] * 128]), 400)


@case("metrics of the subnet's path only")
def _(w):
    subnet = self_authenticating(w.root_key)
    refused(w.client.read_state(w.shared, [[b"subnet", subnet, b"metrics"]]), 403)


@case("read_state of another subnet")
def _(w): refused(w.client.read_state(b"x" * 28 + b"\2", [[b"time"]], "subnet"), 400)


# Senders.
for name, curve in (("Ed25519", ecdsa.Ed25519), ("secp256k1", ecdsa.SECP256k1), ("P-256", ecdsa.NIST256p)):
    @case(f"{name}: update, query, read_state")
    def _(w, curve=curve):
        client = Client(w.port, Key(curve))
        expect(w.run(w.shared, P().reply_with("msg_caller"), client) == client.key.principal)
        expect(w.ask(w.shared, P().reply_with("msg_caller"), client) == client.key.principal)
        expect(client.read_state(w.shared, [[b"time"]]).status == 200)

    @case(f"{name}: a wrong signature")
    def _(w, curve=curve):
        client = Client(w.port, Key(curve))
        for kind in ("call", "query"):
            content = client.content(kind, canister_id=w.shared, method_name="query", arg=b"")
            envelope = client.envelope(content)
            good = envelope["sender_sig"]
            for bad in (good[:-1] + bytes([good[-1] ^ 1]), bytes([good[0] ^ 1]) + good[1:], good[:-1], good + b"\0", b"",
                        bytes(64), b"\xff" * 64):
                envelope["sender_sig"] = bad
                refused(client.post(f"/api/v3/canister/{text(w.shared)}/{kind}", envelope), 403)

    @case(f"{name}: another key than the sender's")
    def _(w, curve=curve):
        client = Client(w.port, Key(curve))
        content = client.content("query", canister_id=w.shared, method_name="query", arg=b"", sender=w.key.principal)
        refused(client.post(f"/api/v3/canister/{text(w.shared)}/query", client.envelope(content)), 403)

    @case(f"{name}: a broken key")
    def _(w, curve=curve):
        client = Client(w.port, Key(curve))
        der = bytearray(client.key.der)
        der[-1] ^= 1
        if curve is ecdsa.Ed25519:
            der = der[:-1]
        content = client.content("query", canister_id=w.shared, method_name="query", arg=b"",
                                 sender=self_authenticating(bytes(der)))
        envelope = client.envelope(content, sender_pubkey=bytes(der))
        refused(client.post(f"/api/v3/canister/{text(w.shared)}/query", envelope), 403)

    @case(f"{name}: delegates to Ed25519")
    def _(w, curve=curve):
        expect(delegated(w, Key(curve), [Key()]).cbor["reply"]["arg"] != b"")


def delegated(w, owner, chain, kind="query", seconds=60, method="query", tamper=None, paths=None, target=None, **fields):
    """A request of `owner` signed by the last key of `chain`."""
    links, previous = [], owner
    for key in chain:
        links.append(previous.delegate(key.der, seconds, **fields))
        previous = key
    if tamper:
        tamper(links)
    client = Client(w.port, owner)
    target = target or w.shared
    content = (client.content("read_state", paths=paths) if paths is not None else client.content(
        kind, canister_id=target, method_name=method, arg=P().reply_with("msg_caller").code))
    path = "read_state" if paths is not None else kind
    return client.post(f"/api/v3/canister/{text(target)}/{path}",
                       client.envelope(content, previous, sender_delegation=links))


@case("a delegate speaks for its owner")
def _(w):
    owner = Key()
    expect(delegated(w, owner, [Key()]).cbor["reply"]["arg"] == owner.principal)


@case("a chain of 20 delegations")
def _(w):
    owner = Key()
    expect(delegated(w, owner, [Key() for _ in range(20)]).cbor["reply"]["arg"] == owner.principal)


@case("a chain of 21 delegations")
def _(w): refused(delegated(w, Key(), [Key() for _ in range(21)]), 400)


@case("an expired delegation")
def _(w): refused(delegated(w, Key(), [Key()], seconds=-1), 403)


@case("a delegation to the same key again")
def _(w):
    key = Key()
    refused(delegated(w, Key(), [key, Key(), key]), 403)


@case("a delegation to the canister")
def _(w): expect(delegated(w, Key(), [Key()], targets=[w.shared]).status == 200)


@case("a delegation to another canister")
def _(w): refused(delegated(w, Key(), [Key()], targets=[w.second]), 403)


@case("a delegation to no canister")
def _(w): refused(delegated(w, Key(), [Key()], targets=[]), 403)


@case("a delegation to 1,000 canisters, and to one too many")
def _(w):
    many = [w.shared] + [i.to_bytes(8, "big") + b"\1\1" for i in range(1000)]
    expect(delegated(w, Key(), [Key()], targets=many[:1000]).status == 200)
    refused(delegated(w, Key(), [Key()], targets=many), 400)


@case("a delegation for queries")
def _(w):
    expect(delegated(w, Key(), [Key()], permissions="queries").status == 200)
    refused(delegated(w, Key(), [Key()], kind="call", method="run", permissions="queries"), 403)
    expect(delegated(w, Key(), [Key()], kind="call", method="run", permissions="all").status == 200)


@case("a delegation with unknown permissions")
def _(w): refused(delegated(w, Key(), [Key()], permissions="some"), 400)


@case("a changed delegation")
def _(w):
    def change(links): links[0]["delegation"]["expiration"] += 1
    refused(delegated(w, Key(), [Key()], tamper=change), 403)


@case("delegations in the wrong order")
def _(w): refused(delegated(w, Key(), [Key(), Key()], tamper=lambda links: links.reverse()), 403)


@case("a delegate reads the status of its own request")
def _(w):
    owner, key = Key(), Key()
    links = [owner.delegate(key.der, targets=[w.shared])]
    client = Client(w.port, owner)
    content = client.content("call", canister_id=w.shared, method_name="run", arg=P().reply(b"d").code)
    expect(client.post(f"/api/v4/canister/{text(w.shared)}/call",
                       client.envelope(content, key, sender_delegation=links)).status == 200)
    for targets, status in (([w.shared], 200), ([w.second], 403), ([w.shared, w.second], 200)):
        ask = client.content("read_state", paths=[[b"request_status", hash_of(content)]])
        found = client.post(f"/api/v3/canister/{text(w.shared)}/read_state", client.envelope(
            ask, key, sender_delegation=[owner.delegate(key.der, targets=targets)]))
        expect(found.status == status, (targets, found.status, found.body))


@case("the anonymous sender with a signature")
def _(w):
    client = Client(w.port)
    content = client.content("query", canister_id=w.shared, method_name="query", arg=b"")
    refused(client.post(f"/api/v3/canister/{text(w.shared)}/query", client.envelope(content, Key())), 403)


@case("a sender without a signature")
def _(w):
    client = Client(w.port)
    content = client.content("query", canister_id=w.shared, method_name="query", arg=b"", sender=w.key.principal)
    refused(client.post(f"/api/v3/canister/{text(w.shared)}/query", {"content": content}), 403)


@case("a key without a signature")
def _(w):
    content = w.client.content("query", canister_id=w.shared, method_name="query", arg=b"")
    refused(w.client.post(f"/api/v3/canister/{text(w.shared)}/query", w.client.envelope(content, sender_sig=None)), 403)


def canister_key(canister, seed):
    raw = bytes([len(canister)]) + canister + seed
    bits = b"\x03" + bytes([len(raw) + 1]) + b"\0" + raw
    body = bytes.fromhex("300c060a2b0601040183b8430102") + bits
    return b"\x30" + bytes([len(body)]) + body


class CanisterSigner:
    """A sender whose key is a canister: signs by certified data."""

    def __init__(self, w, seed=b"seed"):
        self.w, self.seed, self.canister = w, seed, w.canister()
        self.der = canister_key(self.canister, seed)
        self.principal = self_authenticating(self.der)

    def sign(self, message):
        sha = lambda data: hashlib.sha256(data).digest()
        tree = [2, b"sig", [2, sha(self.seed), [2, sha(message), [3, b""]]]]
        leaf = sha(b"\x10ic-hashtree-leaf")
        root = leaf
        for label in (sha(message), sha(self.seed), b"sig"):
            root = sha(b"\x13ic-hashtree-labeled" + label + root)
        self.w.run(self.canister, P().certified_data_set(root).reply())
        certificate = self.w.ask(self.canister, P().reply_with("data_certificate"))
        return cbor2.dumps(cbor2.CBORTag(55799, {"certificate": certificate, "tree": tree}))


@case("canister signature: update and query")
def _(w):
    signer = CanisterSigner(w)
    client = Client(w.port, signer)
    expect(w.ask(w.shared, P().reply_with("msg_caller"), client) == signer.principal)
    expect(w.run(w.shared, P().reply_with("msg_caller"), client) == signer.principal)


@case("canister signature: delegates to a key")
def _(w):
    signer, key = CanisterSigner(w), Key()
    delegation = {"pubkey": key.der, "expiration": now() + 60 * 10**9}
    link = {"delegation": delegation, "signature": signer.sign(b"\x1aic-request-auth-delegation" + hash_of(delegation))}
    client = Client(w.port, signer)
    content = client.content("query", canister_id=w.shared, method_name="query", arg=P().reply_with("msg_caller").code)
    found = client.post(f"/api/v3/canister/{text(w.shared)}/query", client.envelope(content, key, sender_delegation=[link]))
    expect(found.cbor["reply"]["arg"] == signer.principal, found.body)


@case("canister signature: of another message, seed or canister")
def _(w):
    signer = CanisterSigner(w)
    client = Client(w.port, signer)
    content = client.content("query", canister_id=w.shared, method_name="query", arg=b"")
    path = f"/api/v3/canister/{text(w.shared)}/query"
    envelope = client.envelope(content)
    envelope["content"] = {**content, "arg": b"other"}
    refused(client.post(path, envelope), 403)
    for der in (canister_key(signer.canister, b"other"), canister_key(w.second, b"seed")):
        content = client.content("query", canister_id=w.shared, method_name="query", arg=b"", sender=self_authenticating(der))
        envelope = client.envelope(content)
        envelope["sender_pubkey"] = der
        refused(client.post(path, envelope), 403)


@case("canister signature: sender_info")
def _(w):
    signer = CanisterSigner(w)
    client = Client(w.port, signer)
    info = {"info": b"about me", "signer": signer.canister, "sig": signer.sign(b"\x0eic-sender-info" + b"about me")}
    expect(client.query(w.shared, "query", P().reply(b"ok").code, sender_info=info) == b"ok")
    refused(client.query(w.shared, "query", P().reply(b"ok").code, sender_info={**info, "info": b"lies"}), 403)
    refused(client.query(w.shared, "query", P().reply(b"ok").code, sender_info={**info, "signer": w.second}), 403)
    refused(w.client.query(w.shared, "query", P().reply(b"ok").code, sender_info=info), 403)


@case("canister signature: sender_info is shown to the called canister, and to those it calls not")
def _(w):
    signer = CanisterSigner(w)
    client = Client(w.port, signer)
    info = {"info": b"about me", "signer": signer.canister, "sig": signer.sign(b"\x0eic-sender-info" + b"about me")}
    show = P().append("msg_caller_info_signer").append("msg_caller_info_data").msg_reply()
    shown = signer.canister + b"about me"
    for method, program, expected in (("query", show, shown), ("crun", show, shown),
                                      ("crun", P().call(w.second, b"query", show.code).drop(), b""),
                                      ("crun", P().call(w.second, b"query", P().reply().code, reply=show).drop(), shown)):
        expect(client.query(w.shared, method, program.code, sender_info=info) == expected, method)
    expect(client.query(w.shared, "query", show.code) == b"")

    def update(program):
        content, response = client.call_raw(w.shared, "run", program.code, sender_info=info)
        tree = certificate_tree(response.cbor["certificate"])
        return lookup(tree, [b"request_status", hash_of(content), b"reply"])
    expect(update(show) == shown)
    expect(update(P().call(w.second, b"run", show.code).drop()) == b"")
    expect(update(P().call(w.second, b"run", P().reply().code, reply=show).drop()) == shown)


# Bad requests.
MALFORMED = {
    "nothing": b"", "text": b"hello", "a number": b"\x01", "an array": b"\x80", "an empty map": b"\xa0",
    "CBOR cut short": b"\xd9\xd9\xf7\xa1\x67content", "a break": b"\xff", "reserved head": b"\x1c",
    "a map that claims 2^64 entries": b"\xbb" + b"\xff" * 8, "bytes that claim 2^63": b"\x5b\x7f" + b"\xff" * 7,
    "an array that claims 2^32": b"\xa1\x67content\x9a\xff\xff\xff\xff", "nesting of 100,000": b"\x81" * 100_000,
    "indefinite nesting": b"\x9f" * 100_000, "tags in tags": b"\xc1" * 100_000, "a million empty arrays": b"\x9f" + b"\x80" * 10**6,
    "a repeated key": b"\xa2\x61a\x01\x61a\x02", "content that is no map": cbor2.dumps({"content": 1}),
    "content without fields": cbor2.dumps({"content": {}}), "an unknown request type": cbor2.dumps({"content": {
        "request_type": "destroy", "sender": b"\4", "ingress_expiry": 1}}),
}
for title, body in MALFORMED.items():
    @case(f"malformed body: {title}")
    def _(w, body=body):
        for kind in ("call", "query", "read_state"):
            start = time.time()
            refused(w.client.http("POST", f"/api/v3/canister/{text(w.shared)}/{kind}", body), 400)
            expect(time.time() - start < 10, "it took too long")

FIELDS = {
    "a nonce of 33 bytes": {"nonce": bytes(33)}, "a nonce of text": {"nonce": "x"}, "a sender of 30 bytes": {"sender": bytes(30)},
    "a canister id of 30 bytes": {"canister_id": bytes(30)}, "an expiry of text": {"ingress_expiry": "soon"},
    "a negative expiry": {"ingress_expiry": -1}, "a method of bytes": {"method_name": b"run"}, "an argument of text": {"arg": "x"},
    "no method": {"method_name": None}, "no argument": {"arg": None}, "no canister": {"canister_id": None},
    "an expiry as a float": {"ingress_expiry": 1.5e18},
}
for title, fields in FIELDS.items():
    @case(f"bad field: {title}")
    def _(w, fields=fields):
        client = Client(w.port)
        content = client.content("query", canister_id=w.shared, method_name="query", arg=b"")
        content = {k: v for k, v in {**content, **fields}.items() if v is not None}
        refused(client.post(f"/api/v3/canister/{text(w.shared)}/query", {"content": content}), 400)


@case("a nonce of 32 bytes")
def _(w): expect(w.client.query(w.shared, "query", P().reply(b"n").code, nonce=bytes(32)) == b"n")


@case("unknown fields of the envelope are ignored")
def _(w):
    content = w.client.content("query", canister_id=w.shared, method_name="query", arg=P().reply(b"u").code)
    found = w.client.post(f"/api/v3/canister/{text(w.shared)}/query", w.client.envelope(content, new_field=[1, {"a": b"b"}]))
    expect(found.status == 200, found.body)


PATHS = {
    "nothing there": ("GET", "/nothing", 404), "an unknown endpoint": ("POST", "/api/v2/canister/aaaaa-aa/fly", 404),
    "an unknown version": ("POST", "/api/v9/canister/aaaaa-aa/query", 404), "GET of a query": ("GET", "/api/v2/canister/aaaaa-aa/query", 405),
    "POST of status": ("POST", "/api/v2/status", 405), "a bad canister id": ("POST", "/api/v2/canister/xxxxx/query", 400),
    "an id with a bad checksum": ("POST", "/api/v2/canister/rwlgt-iiaaa-aaaaa-aaaaa-cbi/query", 400),
    "PUT": ("PUT", "/api/v2/canister/aaaaa-aa/query", 405), "a dotted path": ("GET", "/api/../v2/status", 404),
}
for title, (method, path, status) in PATHS.items():
    @case(f"path: {title}")
    def _(w, method=method, path=path, status=status): refused(w.client.http(method, path, b""), status)


@case("a query request at the call endpoint")
def _(w):
    content = w.client.content("query", canister_id=w.shared, method_name="query", arg=b"")
    refused(w.client.post(f"/api/v3/canister/{text(w.shared)}/call", w.client.envelope(content)), 400)


@case("a body of 5 MiB and a byte")
def _(w):
    client = Client(w.port)
    try:
        refused(client.http("POST", f"/api/v2/canister/{text(w.shared)}/query", bytes((5 << 20) + 1)), 413)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before it was sent
    expect(w.client.http("GET", "/api/v2/status").status == 200)


@case("an argument of 2 MiB and more")
def _(w):
    expect("reject_code" in w.client.update(w.shared, "run", bytes(2 << 20)))
    expect(w.ask(w.shared, P().reply(b"alive")) == b"alive")


@case("a slow client does not hold others up")
def _(w):
    slow = [free_socket(w.port) for _ in range(50)]
    for one in slow:
        one.sendall(b"POST /api/v2/canister/aaaaa-aa/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
    start = time.time()
    for _ in range(20):
        expect(w.ask(w.shared, P().reply(b"quick")) == b"quick")
    expect(time.time() - start < 10)
    for one in slow:
        one.close()


@case("bytes that are no HTTP")
def _(w):
    one = free_socket(w.port)
    one.sendall(b"\x16\x03\x01\x02\x00\x01\x00" + secrets.token_bytes(200) + b"\r\n\r\n")
    one.settimeout(10)
    one.recv(1000)
    one.close()
    expect(w.client.http("GET", "/api/v2/status").status == 200)


@case("headers without end")
def _(w):
    one = free_socket(w.port)
    one.settimeout(10)
    try:
        one.sendall(b"GET /api/v2/status HTTP/1.1\r\n")
        for _ in range(2000):
            one.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")
        one.recv(1000)
    except OSError:
        pass
    one.close()
    expect(w.client.http("GET", "/api/v2/status").status == 200)


@case("a hundred updates at once, each certified")
def _(w):
    c = w.canister()
    found, add = [], P().counter().int(1).add().set_counter().counter().reply_int().code

    def work(index):
        client = Client(w.port, Key(seed=bytes([index])))
        for _ in range(10):
            found.append(w.number(client.update(c, "run", add)))
    threads = [threading.Thread(target=work, args=(index,)) for index in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(sorted(found) == list(range(1, 101)), sorted(found, key=str)[:10])


@case("a chain of 60 calls")
def _(w):
    c = w.canister()
    # Each message calls the next with a program one shorter: 60 deep, and every answer comes back.
    program = P().reply(b"deep")
    for _ in range(60):
        program = P().call(c, b"run", program.code).drop()
    expect(w.run(c, program) == b"deep")


def main():
    suite = Suite("scenarios")
    with Emulator() as emulator:
        world = World(emulator.port)
        world.root_key = emulator.root_key
        world.shared, world.second = world.canister(), world.canister()
        chosen = sys.argv[1] if len(sys.argv) > 1 else ""
        for title, body in CASES:
            if chosen in title:
                start = time.time()
                suite.case(title, lambda: body(world))
                if time.time() - start > 3:
                    print(f"slow: {title}: {time.time() - start:.1f} s")
    return suite.finish()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
