"""The Python client of PocketIC, with POCKET_IC_BIN pointing at us: a counter canister and the rest of its interface."""

import gzip
import sys

import ic
from pocket_ic import PocketIC, SubnetConfig

import universal
from harness import Suite
from universal import P

def expect(condition, found=None):
    if not condition:
        raise AssertionError(found)


def refuses(body):
    try:
        body()
    except (ValueError, ConnectionError) as error:
        return error
    raise AssertionError("nothing was refused")


def main():
    suite = Suite("pocket-ic")
    state = {}

    def raw(canister, program): return pic().update_call(canister, "run", program.code)
    def pic(): return state["pic"]
    def case(title, body): suite.case(title, body)

    def start(): state["pic"] = PocketIC()

    def create():
        state["id"] = pic().create_canister()
        expect(pic().check_canister_exists(state["id"]))

    def create_with_id():
        wanted = ic.Principal(b"\0" * 7 + b"\x42\1\1")
        found = pic().create_canister(canister_id=wanted, settings={
            "controllers": [[ic.Principal.anonymous().bytes]], "compute_allocation": [], "memory_allocation": [],
            "freezing_threshold": [100]})
        expect(found.bytes == wanted.bytes, found)

    def install(): pic().install_code(state["id"], universal.module(), [])

    def counter():
        add = P().counter().int(1).add().set_counter().counter().reply_int()
        expect([int.from_bytes(bytes(raw(state["id"], add)), "little") for _ in range(3)] == [1, 2, 3])

    def counter_query():
        found = pic().query_call(state["id"], "query", P().counter().reply_int().code)
        expect(int.from_bytes(bytes(found), "little") == 3, found)

    def cycles():
        before = pic().get_cycles_balance(state["id"])
        expect(pic().add_cycles(state["id"], 5_000_000_000_000) == before + 5_000_000_000_000)

    def time():
        before = pic().get_time()["nanos_since_epoch"]
        pic().advance_time(3600 * 10**9)
        expect(pic().get_time()["nanos_since_epoch"] == before + 3600 * 10**9)
        found = int.from_bytes(bytes(pic().query_call(state["id"], "query", P().time().reply_int().code)), "little")
        expect(before + 3600 * 10**9 <= found < before + 3601 * 10**9, found)

    def timer():
        raw(state["id"], P().hook("timer", P().int(777).set_counter()).time().int(60 * 10**9).add()
            .global_timer_set().drop().reply())
        pic().tick()
        expect(count() != 777)
        pic().advance_time(61 * 10**9)
        pic().tick()
        expect(count() == 777, count())

    def count():
        return int.from_bytes(bytes(pic().query_call(state["id"], "query", P().counter().reply_int().code)), "little")

    def stable_memory():
        content = bytes(range(256)) * 300
        pic().set_stable_memory(state["id"], content)
        expect(pic().get_stable_memory(state["id"])[:len(content)] == content)
        found = pic().query_call(state["id"], "query", P().stable64_read(0, 256, 256).msg_reply_data_append(0, 256).msg_reply().code)
        expect(bytes(found) == bytes(range(256)), found)

    def stable_memory_gzip():
        pic().set_stable_memory(state["id"], gzip.compress(b"packed"), compression="gzip")
        expect(pic().get_stable_memory(state["id"]).startswith(b"packed\0"))

    def sender():
        principal = ic.Identity().sender()
        pic().set_sender(principal)
        found = pic().query_call(state["id"], "query", P().reply_with("msg_caller").code)
        pic().set_anonymous_sender()
        expect(bytes(found) == principal.bytes, found)

    def not_controller():
        pic().set_sender(ic.Identity().sender())
        error = refuses(lambda: pic().install_code(state["id"], universal.module(), []))
        pic().set_anonymous_sender()
        expect("IC0512" in str(error) or "CanisterInvalidController" in str(error), error)

    def trap():
        error = refuses(lambda: raw(state["id"], P().trap(b"stop here")))
        expect("stop here" in str(error) and "CanisterCalledTrap" in str(error) and "CanisterError" in str(error), error)

    def query_reject():
        error = refuses(lambda: pic().query_call(state["id"], "query", P().reject(b"rather not").code))
        expect("rather not" in str(error) and "CanisterReject" in str(error), error)

    def subnet():
        (found, kind), = pic().topology().items()
        expect(kind.value == "Application", kind)
        expect(pic().get_subnet(state["id"]).bytes == found.bytes)
        expect(pic().get_subnet(ic.Principal(b"\0" * 6 + b"\7\7\1\1")) is None)

    def no_root_key(): expect(pic().get_root_key() is None)

    def nns():
        other = PocketIC(SubnetConfig(nns=True))
        key = other.get_root_key()
        expect(len(key) == 133, len(key))
        (found, _), = other.topology().items()
        expect(ic.Principal.self_authenticating(key).bytes == found.bytes)

    def isolated():
        other = PocketIC()
        expect(not other.check_canister_exists(ic.Principal(b"\0" * 7 + b"\x42\1\1")))
        expect(len(other.server.list_instances()) >= 2)

    def two_subnets():
        error = refuses(lambda: pic().server.new_instance(SubnetConfig(application=2)._json()))
        expect("400" in str(error), error)

    def unknown():
        refuses(lambda: pic().get_cycles_balance(ic.Principal(b"\0" * 6 + b"\7\7\1\1")))
        refuses(lambda: pic()._instance_post("update/unheard_of", {}))
        refuses(lambda: pic().server.instance_post("update/tick", 999, {}))

    def past():
        refuses(lambda: pic().set_time(1))

    for title, body in [
            ("start", start), ("create", create), ("create with an id", create_with_id), ("install", install),
            ("counter", counter), ("counter by query", counter_query), ("cycles", cycles), ("time", time),
            ("timer", timer), ("stable memory", stable_memory), ("gzipped blob", stable_memory_gzip),
            ("sender", sender), ("not a controller", not_controller), ("trap", trap), ("rejected query", query_reject),
            ("topology", subnet), ("no root key", no_root_key), ("NNS root key", nns), ("instances", isolated),
            ("two subnets", two_subnets), ("unknown things", unknown), ("time does not go back", past)]:
        case(title, body)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
