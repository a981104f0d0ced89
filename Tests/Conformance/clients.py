"""icp-py-core and ic-py against the emulator: create, install, call, query, read certificates.

Signatures are verified under the emulator's root key. Two things are put in place for icp-py-core and nothing else: it
pins mainnet's key, and it verifies with a module `blst` that no package index has; py_arkworks_bls12381 does the pairing.
ic-py verifies nothing, so what it receives is verified here in the same way.
"""

import asyncio
import hashlib
import os
import sys
import types

import cbor2
import ic
import ic.agent
import ic.certificate
import ic.system_state
import icp_agent.system_state
import icp_certificate.certificate as icp_certificate
from ic.candid import Types, encode
from icp_agent import Agent, Client
from icp_candid.candid import Types as IcpTypes, encode as icp_encode
from icp_core.errors import CertificateVerificationError, ReplicaReject
from icp_identity.identity import Identity
from icp_principal import Principal
from py_arkworks_bls12381 import G1Point, G2Point, GT

import universal
from harness import Emulator, Suite, self_authenticating, text
from universal import P

MODULE = universal.module()
HASH = hashlib.sha256(MODULE).hexdigest()
ANYWHERE = text(b"\0" * 8 + b"\1\1")


def g2_generator():
    return bytes.fromhex(
        "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8")


class Signature:
    """What icp-py-core uses of blst's P1_Affine."""

    def __init__(self, compressed): self.point = G1Point.from_compressed_bytes(compressed)

    def core_verify(self, key, hash_or_encode, message, domain, augmentation):
        assert hash_or_encode and augmentation is None
        hashed = G1Point.hash_to_curve(message, domain)
        generator = G2Point.from_compressed_bytes(g2_generator())
        return 0 if GT.pairing_check([hashed, -self.point], [key.point, generator]) else 1


class Key:
    """What icp-py-core uses of blst's P2_Affine."""

    def __init__(self, compressed): self.point = G2Point.from_compressed_bytes(compressed)


class NoPairing:
    def __init__(self, *_): raise ValueError("the signature is not valid")


def stand_in(root_key):
    blst = types.ModuleType("blst")
    blst.P1_Affine, blst.P2_Affine, blst.Pairing, blst.BLST_SUCCESS = Signature, Key, NoPairing, 0
    sys.modules["blst"] = blst
    icp_certificate.Certificate.read_root_key = lambda self: root_key


def expect(condition, found=None):
    if not condition:
        raise AssertionError(found)


def refuses(kind, body):
    try:
        body()
    except kind as error:
        return error
    raise AssertionError("nothing was refused")


CREATE = {"amount": IcpTypes.Opt(IcpTypes.Nat)}


def install_argument(types_, encode_, canister, mode, argument):
    record = types_.Record({
        "mode": types_.Variant({"install": types_.Null, "reinstall": types_.Null, "upgrade": types_.Null}),
        "canister_id": types_.Principal, "wasm_module": types_.Vec(types_.Nat8), "arg": types_.Vec(types_.Nat8)})
    return encode_([{"type": record, "value": {
        "mode": {mode: None}, "canister_id": canister, "wasm_module": MODULE, "arg": argument}}])


def id_argument(types_, encode_, canister):
    return encode_([{"type": types_.Record({"canister_id": types_.Principal}), "value": {"canister_id": canister}}])


def icp_py_core(emulator, suite, scheme):
    identity = Identity(type=scheme) if scheme else Identity(anonymous=True)
    agent = Agent(identity, Client(emulator.url), root_key=emulator.root_key, verify_query_signatures=True,
                  nonce_factory=lambda: os.urandom(16))
    name = f"icp-py-core, {scheme or 'anonymous'}: "
    state = {}

    def case(title, body): suite.case(name + title, body)

    def management(method, argument, effective, returns=None):
        return agent.update_raw("aaaaa-aa", method, argument, returns, effective)

    def create():
        argument = icp_encode([{"type": IcpTypes.Record(CREATE), "value": {"amount": []}}])
        reply = management("provisional_create_canister_with_cycles", argument, ANYWHERE,
                           [IcpTypes.Record({"canister_id": IcpTypes.Principal})])
        created = reply[0]["value"]["canister_id"]
        state["id"] = created.to_str() if hasattr(created, "to_str") else str(created)

    def install(mode):
        def body():
            management("install_code", install_argument(
                IcpTypes, icp_encode, state["id"], mode, P().int(7).set_counter().code), state["id"])
        return body

    def update(program):
        return agent.update_raw(state["id"], "run", program.code, [IcpTypes.Nat64])[0]["value"]

    def raw_update():
        expect(update(P().int(2**63 + 5).reply_candid()) == 2**63 + 5)

    def raw_query():
        expect(bytes(agent.query_raw(state["id"], "query", P().reply(b"from a query").code)) == b"from a query")

    def whoami():
        caller = bytes(agent.query_raw(state["id"], "query", P().reply_with("msg_caller").code))
        expect(caller == identity.sender().bytes, caller.hex())

    def counter():
        add = P().counter().int(5).add().set_counter().counter().reply_candid()
        expect([update(add) for _ in range(3)] == [12, 17, 22])

    def trap():
        error = refuses(ReplicaReject, lambda: agent.update_raw(state["id"], "run", P().trap(b"ouch").code))
        expect(error.reject_code == 5 and error.error_code == "IC0503" and "ouch" in error.reject_message, error)

    def no_method():
        error = refuses(ReplicaReject, lambda: agent.update_raw(state["id"], "missing", b""))
        expect(error.reject_code == 5 and error.error_code == "IC0536", error)

    def rejected_query():
        # The library hands no rejection to its own check of signatures, so that check is left out here.
        error = refuses(ReplicaReject, lambda: agent.query_raw(
            state["id"], "query", P().reject(b"no").code, verify_query_signatures=False))
        expect(error.reject_code == 4 and error.error_code == "IC0406", error)

    def module_hash(): expect(icp_agent.system_state.canister_module_hash(agent, state["id"]) == HASH)

    def controllers():
        found = [p.bytes for p in icp_agent.system_state.canister_controllers(agent, state["id"])]
        expect(found == [identity.sender().bytes], found)

    def subnet_key():
        subnet = text(self_authenticating(emulator.root_key))
        expect(icp_agent.system_state.subnet_public_key(agent, state["id"], subnet) == emulator.root_key.hex())
        expect(icp_agent.system_state.subnet_public_key_direct(agent, subnet) == emulator.root_key.hex())

    def ranges():
        subnet = text(self_authenticating(emulator.root_key))
        found = icp_agent.system_state.subnet_canister_ranges(agent, state["id"], subnet)
        own = Principal.from_str(state["id"]).bytes
        expect(any(low.bytes <= own <= high.bytes for low, high in found), found)

    def metadata():
        path = [b"canister", Principal.from_str(state["id"]).bytes, b"metadata", b"candid:service"]
        found = agent.read_state_raw(state["id"], [path]).lookup(path)
        expect(found.startswith(b"service"), found)

    def tampered():
        certificate = agent.read_state_raw(state["id"], [[b"time"]])
        certificate.signature = bytes([certificate.signature[0], certificate.signature[1] ^ 1]) + certificate.signature[2:]
        refuses(CertificateVerificationError, lambda: certificate.assert_certificate_valid(state["id"]))

    def wrong_key():
        certificate = agent.read_state_raw(state["id"], [[b"time"]])
        certificate.read_root_key = lambda: icp_certificate.IC_ROOT_KEY
        refuses(CertificateVerificationError, lambda: certificate.assert_certificate_valid(state["id"]))

    def concurrent():
        async def calls():
            one = P().counter().int(1).add().set_counter().counter().reply_candid()
            return await asyncio.gather(*[asyncio.to_thread(update, one) for _ in range(20)])
        found = sorted(asyncio.run(calls()))
        expect(found == list(range(found[0], found[0] + 20)), found)

    def status():
        returns = [IcpTypes.Record({"status": IcpTypes.Variant({
            "running": IcpTypes.Null, "stopping": IcpTypes.Null, "stopped": IcpTypes.Null}), "cycles": IcpTypes.Nat})]
        reply = management("canister_status", id_argument(IcpTypes, icp_encode, state["id"]), state["id"], returns)
        expect(list(reply[0]["value"]["status"]) == ["running"], reply)

    def stop():
        for method in ("stop_canister", "start_canister", "stop_canister", "delete_canister"):
            management(method, id_argument(IcpTypes, icp_encode, state["id"]), state["id"])
        refuses(ReplicaReject, lambda: agent.update_raw(state["id"], "run", P().reply().code))

    for title, body in [
            ("create", create), ("install", install("install")), ("update", raw_update), ("query", raw_query),
            ("caller", whoami), ("counter", counter), ("trap", trap), ("no such method", no_method),
            ("rejected query", rejected_query), ("module hash", module_hash), ("controllers", controllers),
            ("subnet key", subnet_key), ("canister ranges", ranges), ("metadata", metadata),
            ("tampered certificate", tampered), ("another root key", wrong_key), ("20 calls at once", concurrent),
            ("status", status), ("upgrade", install("upgrade")), ("reinstall", install("reinstall")),
            ("stop, start, delete", stop)]:
        case(title, body)


def ic_py(emulator, suite, scheme):
    identity = ic.Identity(type=scheme) if scheme else ic.Identity(anonymous=True)
    agent = ic.Agent(identity, ic.Client(emulator.url), root_key=emulator.root_key)
    received, genuine = [], agent.read_state_endpoint

    def keep(canister, data):
        answer = genuine(canister, data)
        received.append((canister, answer))
        return answer
    agent.read_state_endpoint = keep
    name = f"ic-py, {scheme or 'anonymous'}: "
    state = {}

    def case(title, body): suite.case(name + title, body)

    def create():
        argument = encode([{"type": Types.Record({"amount": Types.Opt(Types.Nat)}), "value": {"amount": []}}])
        reply = agent.update_raw("aaaaa-aa", "provisional_create_canister_with_cycles", argument,
                                 Types.Record({"canister_id": Types.Principal}), ANYWHERE, delay=0.05)
        state["id"] = reply[0]["value"]["canister_id"].to_str()

    def install():
        agent.update_raw("aaaaa-aa", "install_code", install_argument(
            Types, encode, state["id"], "install", P().int(1).set_counter().code), None, state["id"], delay=0.05)

    def message(value):
        return encode([{"type": Types.Text, "value": value}])

    def update():
        reply = agent.update_raw(state["id"], "run", P().reply(message("over ic-py")).code, Types.Text, delay=0.05)
        expect(reply[0]["value"] == "over ic-py", reply)

    def query():
        reply = agent.query_raw(state["id"], "query", P().reply(message("a query")).code, Types.Text)
        expect(reply[0]["value"] == "a query", reply)

    def rejected():
        error = refuses(Exception, lambda: agent.update_raw(
            state["id"], "run", P().trap(b"bang").code, Types.Text, delay=0.05))
        expect("bang" in str(error), error)

    def system_state():
        expect(ic.system_state.canister_module_hash(agent, state["id"]) == HASH)
        found = [p.bytes for p in ic.system_state.canister_controllers(agent, state["id"])]
        expect(found == [identity.sender().bytes], found)
        subnet = text(self_authenticating(emulator.root_key))
        expect(ic.system_state.subnet_public_key(agent, state["id"], subnet) == emulator.root_key.hex())
        path = [b"time"]
        expect(ic.certificate.lookup(path, agent.read_state_raw(state["id"], [path])))

    def signatures():
        expect(len(received) > 4, len(received))
        for canister, answer in received:
            certificate = icp_certificate.Certificate(cbor2.loads(cbor2.loads(answer)["certificate"]))
            certificate.assert_certificate_valid(canister)

    for title, body in [("create", create), ("install", install), ("update", update), ("query", query),
                        ("trap", rejected), ("system state", system_state), ("all certificates", signatures)]:
        case(title, body)


def main():
    suite = Suite("public clients")
    with Emulator() as emulator:
        stand_in(emulator.root_key)
        for scheme in ("ed25519", "secp256k1", "p256", None):
            icp_py_core(emulator, suite, scheme)
        for scheme in ("ed25519", "secp256k1", None):
            ic_py(emulator, suite, scheme)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
