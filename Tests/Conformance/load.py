"""Load figures through HTTP with wrk, a public load generator: what `scripts/load.sh` prints.

Requests are anonymous. Every update has a nonce of its own, so each one is executed, committed and certified;
queries are repeated. Answers that are not status 200 are counted and shown.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import cbor2

from candid_lite import BLOB, Type, decode, encode, get, opt, record, variant
from harness import TOOL, Client, Emulator, leb128

SECONDS = os.environ.get("DEAI_LOAD_SECONDS", "10")
PIXELS = bytes((row * 9 + column * 5) % 256 for row in range(28) for column in range(28))
NAT32 = Type(-7, write=lambda v: v.to_bytes(4, "little"))
SCRIPT = """
wrk.headers["Content-Type"] = "application/cbor"
local thread, number = 0, 0
function setup(t) t:set("seed", thread) thread = thread + 1 end
function request()
  number = number + 1
  return wrk.format("POST", PATH, nil, HEAD .. string.format("%02d%014d", seed, number) .. TAIL)
end
"""


def trivial_module():
    """A canister whose methods answer with a counter of 32 bits: `get`, a query, and `inc`, an update."""
    def name(text): return leb128(len(text)) + text.encode()
    def section(number, *items):
        content = leb128(len(items)) + b"".join(items)
        return bytes([number]) + leb128(len(content)) + content
    def body(code):
        code = b"\0" + code + b"\x0b"
        return leb128(len(code)) + code
    answer = bytes([0x41, 0, 0x41, 4, 0x10, 0, 0x10, 1])
    count = bytes([0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0])
    return b"\0asm\1\0\0\0" + b"".join([
        section(1, b"\x60\0\0", b"\x60\2\x7f\x7f\0"),
        section(2, name("ic0") + name("msg_reply_data_append") + b"\0\1", name("ic0") + name("msg_reply") + b"\0\0"),
        section(3, b"\0", b"\0"), section(5, b"\0\1"),
        section(7, name("canister_query get") + b"\0\2", name("canister_update inc") + b"\0\3"),
        section(10, body(answer), body(count + answer))])


def tool(folder, *arguments):
    environment = {**os.environ, "DEAI_IDENTITY": os.path.join(folder, "identity.pem")}
    done = subprocess.run([TOOL, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"deai-train {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def deploy(emulator, folder, name, module):
    """The textual id of a new canister with this module."""
    output = tool(folder, "canister", "create", name, "--network", emulator.url)
    tool(folder, "canister", "install", module, "--canister", name, "--network", emulator.url)
    return re.search(r"([a-z0-9]{5}-){4}[a-z0-9]{3}", output).group()


def principal_bytes(text):
    import base64
    letters = text.replace("-", "").upper()
    return base64.b32decode(letters + "=" * (-len(letters) % 8))[4:]


def quoted(data): return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'


def processor_seconds(process):
    fields = open(f"/proc/{process}/stat").read().rsplit(")")[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process, field):
    return int(open(f"/proc/{process}/status").read().split(field + ":")[1].split()[0]) >> 10


def measure(emulator, title, canister, kind, method, argument, connections):
    """One row of the table; what it returns is the emulator's processor time of a request in microseconds."""
    nonce = bytes(range(200, 216))
    content = Client(emulator.port).content(
        kind, canister_id=principal_bytes(canister), method_name=method, arg=argument, nonce=nonce)
    body = cbor2.dumps(cbor2.CBORTag(55799, {"content": content}))
    at = body.index(nonce)
    path = f"/api/{'v3' if kind == 'query' else 'v4'}/canister/{canister}/{kind}"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'local HEAD, TAIL, PATH = {quoted(body[:at])}, {quoted(body[at + 16:])}, "{path}"\n{SCRIPT}')
        script.flush()
        before = processor_seconds(emulator.process.pid)
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", script.name, emulator.url],
            capture_output=True, text=True, check=True).stdout
        used = processor_seconds(emulator.process.pid) - before
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    generator = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    values = {line.split()[0]: line.split()[1] for line in output.splitlines() if len(line.split()) >= 2}
    requests = max(1, int(output.split(" requests in")[0].split()[-1]))
    rate = float(values["Requests/sec:"])
    print(f"{title:22} {connections:>7} {rate:>10,.0f} {values['50%']:>10} {values['99%']:>10} "
          f"{used / requests * 1e6:>10.0f} {generator / requests * 1e6:>10.1f} {memory(emulator.process.pid, 'VmRSS'):>8}"
          + ("   " + output[output.index("Non-2xx"):].split("\n")[0] if "Non-2xx" in output else ""), flush=True)
    return used / requests * 1e6


def classifier(emulator, folder, canister_module, model):
    canister = deploy(emulator, folder, "classifier", canister_module)
    tool(folder, "upload", model, "--network", emulator.url)
    question = record(image=variant(png=BLOB, pixels=BLOB), top=opt(NAT32))
    return canister, encode((question, {"image": {"pixels": PIXELS}, "top": 1}))


def instructions(emulator, canister, method, argument):
    """What the canister says that it executed for an answer."""
    reply = Client(emulator.port).query(principal_bytes(canister), method, argument)
    return get(get(decode(reply)[0], "ok"), "instructions")


def start_up(canisters):
    """Seconds from the start of a process with that many canisters in its state to its first answer."""
    with tempfile.TemporaryDirectory() as folder, Emulator() as emulator:
        path = os.path.join(folder, "trivial.wasm")
        open(path, "wb").write(trivial_module())
        for number in range(canisters):
            deploy(emulator, folder, f"c{number}", path)
        state = os.path.join(folder, "state")
        emulator.process.terminate()
        emulator.process.wait(30)
        shutil.copytree(emulator.directory, state)
        times = []
        for _ in range(3):
            started = time.monotonic()
            process = subprocess.Popen([TOOL, "emulator", "start", "--port", "0", "--state", state, "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            port = json.loads(process.stdout.readline())["port"]
            Client(port).http("GET", "/api/v2/status")
            times.append(time.monotonic() - started)
            process.terminate()
            process.wait(30)
        return min(times)


def main():
    if not shutil.which("wrk"):
        print("load: needs wrk (Debian package wrk)")
        return False
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    canister_module = os.environ.get("DEAI_CANISTER", os.path.join(root, "build/canister.wasm"))
    model = os.environ.get("DEAI_MODEL", os.path.join(root, "build/demo/fashion.deai"))
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} processors, load average {load:.1f} before the start"
          + (" (not a quiet machine)" if load > 0.5 else "") + f", {SECONDS} s a row, one thread of wrk")
    print(f"{'':22} {'clients':>7} {'per second':>10} {'p50':>10} {'p99':>10} {'us of CPU':>10} {'us of wrk':>10} {'MiB':>8}")
    with tempfile.TemporaryDirectory() as folder, Emulator() as emulator:
        path = os.path.join(folder, "trivial.wasm")
        open(path, "wb").write(trivial_module())
        trivial = deploy(emulator, folder, "trivial", path)
        cost = 0.0
        for clients in (1, 16):
            cost = measure(emulator, "query, trivial", trivial, "query", "get", b"", clients)
        if os.path.exists(canister_module) and os.path.exists(model):
            canister, argument = classifier(emulator, folder, canister_module, model)
            for clients in (1, 16):
                whole = measure(emulator, "query, classify", canister, "query", "classify", argument, clients)
            total = instructions(emulator, canister, "classify", argument)
            raw = encode((record(count=NAT32, pixels=BLOB), {"count": 1, "pixels": PIXELS}))
            network = instructions(emulator, canister, "logits_raw", raw)
            share = 1 - cost / whole
            print(f"  a classification: {100 * share:.0f} % of the processor time are the canister's, the rest is what a trivial "
                  f"query takes; {total:,} instructions, {network:,} of them the network's: {100 * share * network / total:.0f} % "
                  "of the time")
        else:
            print("  no classify rows: `make demo` makes build/canister.wasm and build/demo/fashion.deai")
        for clients in (1, 16):
            measure(emulator, "update, trivial", trivial, "call", "inc", b"", clients)
        print(f"  at most {memory(emulator.process.pid, 'VmHWM')} MiB resident")
        done = json.loads(tool(os.getcwd(), "meter", path, "--method", "canister_query get", "--repeat", "1000000", "--json")
                          .splitlines()[-1])
        print(f"in-process: {done['queries_per_second']:,.0f} trivial queries a second on {done['threads']} threads, "
              f"{done['processor_microseconds_per_query']:.2f} us of processor each")
    count = int(os.environ.get("DEAI_LOAD_CANISTERS", "100"))
    if count:
        print(f"start with {count} canisters to the first answer: {start_up(count):.2f} s")
    return True


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
