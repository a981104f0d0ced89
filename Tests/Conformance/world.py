"""What the scenario files share: a subnet with a controller and shorthands, and the table of named cases."""

import time

import candid_lite as candid
import universal
from candid_lite import BLOB, BOOL, NAT, NULL, PRINCIPAL, encode, opt, record, variant
from harness import MANAGEMENT, Client, Key

MODULE = universal.module()
EMPTY = b"\0asm\1\0\0\0"
ANYWHERE = b"\0" * 8 + b"\1\1"
NOWHERE = b"\0" * 7 + b"\xff\1\1"
ID = record(canister_id=PRINCIPAL)
MODE = variant(install=NULL, reinstall=NULL, upgrade=opt(record(
    skip_pre_upgrade=opt(BOOL), wasm_memory_persistence=opt(variant(keep=NULL, replace=NULL)))))


def expect(condition, found=None):
    if not condition:
        raise AssertionError(repr(found)[:400])


class World:
    """A subnet, a controller, and shorthands."""

    def __init__(self, port):
        self.port = port
        self.key = Key(seed=b"controller")
        self.client = Client(port, self.key)
        self.stranger = Client(port, Key(seed=b"stranger"))
        self.anonymous = Client(port)

    def management(self, method, argument, canister=None, client=None):
        return (client or self.client).update(MANAGEMENT, method, argument, effective=canister or ANYWHERE)

    def on(self, method, canister, client=None):
        return self.management(method, encode((ID, {"canister_id": canister})), canister, client)

    def create(self, amount=None, client=None, **settings):
        shape = record(**{key: opt(type) for key, (type, _) in settings.items()})
        argument = encode((record(amount=opt(NAT), settings=opt(shape)), {
            "amount": amount, "settings": {key: value for key, (_, value) in settings.items()} if settings else None}))
        reply = self.management("provisional_create_canister_with_cycles", argument, client=client)
        expect(isinstance(reply, bytes), reply)
        return candid.get(candid.decode(reply)[0], "canister_id")

    def install(self, canister, mode="install", module=MODULE, argument=b"", client=None, skip=None, memory=None):
        chosen = None
        if mode == "upgrade" and (skip is not None or memory):
            chosen = {"skip_pre_upgrade": skip, "wasm_memory_persistence": {memory: None} if memory else None}
        return self.management("install_code", encode((
            record(mode=MODE, canister_id=PRINCIPAL, wasm_module=BLOB, arg=BLOB),
            {"mode": {mode: chosen}, "canister_id": canister, "wasm_module": module, "arg": argument})), canister, client)

    def canister(self, argument=b"", **settings):
        canister = self.create(**settings)
        reply = self.install(canister, argument=argument)
        expect(isinstance(reply, bytes), reply)
        return canister

    def other(self):
        return self.canister()

    def run(self, canister, program, client=None): return (client or self.client).update(canister, "run", program.code)
    def ask(self, canister, program, client=None): return (client or self.client).query(canister, "query", program.code)
    def number(self, reply): return int.from_bytes(reply, "little") if isinstance(reply, bytes) else reply

    def status(self, canister, client=None):
        reply = self.on("canister_status", canister, client)
        expect(isinstance(reply, bytes), reply)
        return candid.decode(reply)[0]

    def settings(self, canister, client=None, **values):
        shape = record(**{key: opt(type) for key, (type, _) in values.items()})
        return self.management("update_settings", encode((
            record(canister_id=PRINCIPAL, settings=shape),
            {"canister_id": canister, "settings": {key: value for key, (_, value) in values.items()}})), canister, client)


def rejected(reply, code, error=None, part=""):
    expect(isinstance(reply, dict) and reply.get("reject_code") == code
           and (error is None or reply["error_code"] == error) and part in reply["reject_message"], reply)


def refused(reply, status, part=""):
    if not isinstance(reply, dict):
        reply = {"http": reply.status, "text": reply.body.decode(errors="replace")}
    expect(reply.get("http") == status and part in reply["text"], reply)


CASES = []


def case(title):
    def register(body):
        CASES.append((title, body))
        return body
    return register


def wait(condition, seconds=20):
    deadline = time.time() + seconds
    while not condition():
        expect(time.time() < deadline, "it did not happen")
        time.sleep(0.02)
