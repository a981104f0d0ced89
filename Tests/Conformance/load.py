"""Load figures with wrk: `scripts/conformance.sh load` prints requests per second, latencies and memory.

Queries and updates are anonymous; every update has a nonce of its own, so each is executed and certified.
"""

import os
import shutil
import subprocess
import sys
import tempfile

import cbor2

from harness import Client, Emulator, text
from scenarios import World
from universal import P, module

SECONDS = os.environ.get("DEAI_LOAD_SECONDS", "10")
SCRIPT = """
wrk.headers["Content-Type"] = "application/cbor"
local thread, number, failed = 0, 0, 0
function setup(t) t:set("seed", thread) thread = thread + 1 end
function request()
  number = number + 1
  return wrk.format("POST", PATH, nil, HEAD .. string.format("%02d%014d", seed, number) .. TAIL)
end
function response(status, headers, body)
  if status ~= 200 then failed = failed + 1 if failed < 3 then print(status, body) end end
end
"""


def quoted(data): return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'


def processor_seconds(process):
    fields = open(f"/proc/{process}/stat").read().split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def measure(emulator, canister, kind, connections):
    nonce = bytes(range(200, 216))
    client = Client(emulator.port)
    content = client.content(kind, canister_id=canister, method_name="query" if kind == "query" else "run",
                             arg=P().reply(b"x").code, nonce=nonce)
    body = cbor2.dumps(cbor2.CBORTag(55799, {"content": content}))
    at = body.index(nonce)
    path = f"/api/{'v3' if kind == 'query' else 'v4'}/canister/{text(canister)}/{kind}"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'local HEAD, TAIL, PATH = {quoted(body[:at])}, {quoted(body[at + 16:])}, "{path}"\n{SCRIPT}')
        script.flush()
        before = processor_seconds(emulator.process.pid)
        output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", script.name, emulator.url],
                                capture_output=True, text=True, check=True).stdout
        used = processor_seconds(emulator.process.pid) - before
    values = {line.split()[0]: line.split()[1] for line in output.splitlines() if len(line.split()) >= 2}
    requests = int(output.split(" requests in")[0].split()[-1])
    memory = open(f"/proc/{emulator.process.pid}/status").read().split("VmHWM:")[1].split()[0]
    print(f"{kind}, {connections} clients: {values['Requests/sec:']} a second, p50 {values['50%']}, p99 {values['99%']}, "
          f"{used / requests * 1e6:.0f} us of processor each, {int(memory) >> 10} MiB at most"
          + (", " + output[output.index("Non-2xx"):].split("\n")[0] if "Non-2xx" in output else ""))


def main():
    if not shutil.which("wrk"):
        print("load: needs wrk (Debian package wrk)")
        return False
    with Emulator() as emulator:
        world = World(emulator.port)
        # A canister that imports data_certificate pays for the certificate with each query.
        canister = world.create()
        world.install(canister, module=module(without="data_certificate"))
        for kind in ("query", "call"):
            for connections in (1, 16):
                measure(emulator, canister, kind, connections)
    return True


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
