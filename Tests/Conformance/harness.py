"""An emulator for the length of a test run, and a small client of its own for requests that no library makes."""

import hashlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import zlib

import cbor2
import ecdsa

ANONYMOUS = b"\x04"
MANAGEMENT = b""
TOOL = os.environ["DEAI_TRAIN"]


class Emulator:
    """`deai-train emulator start` on a free port and a state folder that goes away with it."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="deai-conformance-")
        self.log = open(os.path.join(self.directory, "log"), "w")
        self.process = subprocess.Popen(
            [TOOL, "emulator", "start", "--port", "0", "--state", self.directory, "--json"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the emulator did not start: " + open(self.log.name).read())
        record = json.loads(line)
        self.port = record["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.root_key = bytes.fromhex(record["rootKey"])
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.directory)


def base32(data):
    import base64
    return base64.b32encode(data).decode().lower().rstrip("=")


def text(principal):
    """The textual form of a principal."""
    encoded = base32(zlib.crc32(principal).to_bytes(4, "big") + principal)
    return "-".join(encoded[i:i + 5] for i in range(0, len(encoded), 5))


def self_authenticating(der):
    return hashlib.sha224(der).digest() + b"\x02"


def leb128(value):
    out = bytearray()
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def hash_of(value):
    """The representation-independent hash."""
    if isinstance(value, dict):
        fields = sorted(hash_of(key) + hash_of(item) for key, item in value.items())
        return hashlib.sha256(b"".join(fields)).digest()
    if isinstance(value, list):
        return hashlib.sha256(b"".join(map(hash_of, value))).digest()
    if isinstance(value, int):
        return hashlib.sha256(leb128(value)).digest()
    if isinstance(value, str):
        value = value.encode()
    return hashlib.sha256(value).digest()


class Key:
    """A sender: Ed25519, secp256k1 or P-256."""

    def __init__(self, curve=ecdsa.Ed25519, seed=None):
        entropy = None
        if seed is not None:
            self.private = ecdsa.SigningKey.from_string(hashlib.sha256(seed).digest(), curve=curve)
        else:
            self.private = ecdsa.SigningKey.generate(curve=curve)
        self.der = self.private.get_verifying_key().to_der()
        self.principal = self_authenticating(self.der)
        self.curve = curve

    def sign(self, message):
        if self.curve is ecdsa.Ed25519:
            return self.private.sign(message)
        return self.private.sign(message, hashfunc=hashlib.sha256)

    def delegate(self, der, seconds=60, **fields):
        delegation = {"pubkey": der, "expiration": now() + seconds * 10**9, **fields}
        return {"delegation": delegation,
                "signature": self.sign(b"\x1aic-request-auth-delegation" + hash_of(delegation))}


def now():
    return time.time_ns()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def cbor(self):
        value = cbor2.loads(self.body)
        return value.value if isinstance(value, cbor2.CBORTag) else value


class Client:
    """Requests over one connection, with every part open to change."""

    def __init__(self, port, key=None):
        self.port, self.key = port, key
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    @property
    def sender(self):
        return self.key.principal if self.key else ANONYMOUS

    def http(self, method, path, body=None, headers=None):
        for attempt in (0, 1):
            try:
                self.connection.request(method, path, body, headers or {})
                response = self.connection.getresponse()
                return Response(response.status, dict((k.lower(), v) for k, v in response.getheaders()),
                                response.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()
                if attempt:
                    raise

    def content(self, kind, **fields):
        content = {"request_type": kind, "sender": self.sender, "ingress_expiry": now() + 240 * 10**9,
                   "nonce": secrets.token_bytes(16)}
        content.update(fields)
        return {key: value for key, value in content.items() if value is not None}

    def envelope(self, content, signer=None, **fields):
        envelope = {"content": content}
        signer = signer or self.key
        if signer:
            envelope["sender_pubkey"] = self.key.der if self.key else signer.der
            envelope["sender_sig"] = signer.sign(b"\x0aic-request" + hash_of(content))
        envelope.update(fields)
        return {key: value for key, value in envelope.items() if value is not None}

    def post(self, path, envelope):
        return self.http("POST", path, cbor2.dumps(cbor2.CBORTag(55799, envelope)),
                         {"Content-Type": "application/cbor"})

    def call_raw(self, canister, method, arg=b"", version="v4", effective=None, **fields):
        content = self.content("call", canister_id=canister, method_name=method, arg=arg, **fields)
        path = f"/api/{version}/canister/{text(effective or canister)}/call"
        return content, self.post(path, self.envelope(content))

    def update(self, canister, method, arg=b"", effective=None):
        """The reply, or the rejection as a dictionary."""
        content, response = self.call_raw(canister, method, arg, effective=effective)
        if response.status != 200:
            return {"http": response.status, "text": response.body.decode(errors="replace")}
        answer = response.cbor
        if answer["status"] != "replied":
            return {**answer, "certified": False}
        tree = certificate_tree(answer["certificate"])
        status = [b"request_status", hash_of(content)]
        if lookup(tree, status + [b"status"]) == b"replied":
            return lookup(tree, status + [b"reply"])
        return {"reject_code": int.from_bytes(lookup(tree, status + [b"reject_code"]), "little"),
                "reject_message": lookup(tree, status + [b"reject_message"]).decode(),
                "error_code": lookup(tree, status + [b"error_code"]).decode(), "certified": True}

    def query(self, canister, method, arg=b"", effective=None, version="v3", **fields):
        content = self.content("query", canister_id=canister, method_name=method, arg=arg, **fields)
        path = f"/api/{version}/canister/{text(effective or canister)}/query"
        response = self.post(path, self.envelope(content))
        if response.status != 200:
            return {"http": response.status, "text": response.body.decode(errors="replace")}
        answer = response.cbor
        return answer["reply"]["arg"] if answer["status"] == "replied" else answer

    def read_state(self, effective, paths, scope="canister", version="v3", **fields):
        content = self.content("read_state", paths=paths, **fields)
        return self.post(f"/api/{version}/{scope}/{text(effective)}/read_state", self.envelope(content))


def certificate_tree(encoded):
    value = cbor2.loads(encoded)
    return (value.value if isinstance(value, cbor2.CBORTag) else value)["tree"]


def lookup(tree, path):
    """The leaf at a path, None when absent or pruned."""
    kind = tree[0]
    if not path:
        return tree[1] if kind == 3 else None
    if kind == 1:
        left = lookup(tree[1], path)
        return left if left is not None else lookup(tree[2], path)
    if kind == 2 and tree[1] == path[0]:
        return lookup(tree[2], path[1:])
    return None


class Suite:
    """Named cases; a failing one is told and counted, the others still run."""

    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, []

    def case(self, name, body):
        try:
            body()
            self.passed += 1
        except Exception as error:  # every kind of failure is a failed case
            self.failed.append(name)
            print(f"FAILED {self.name}: {name}: {type(error).__name__}: {error}", flush=True)

    def finish(self):
        print(f"{self.name}: {self.passed} of {self.passed + len(self.failed)} cases passed", flush=True)
        return not self.failed


def free_socket(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)
