"""The canister's page in a browser: against an emulator of its own, on the PNG sample, and with things tampered with.

usage: page.py MODEL.deai [--pictures FOLDER] [--only TEXT] [--all IMAGES.idx.gz [--count N]] [--screenshots FOLDER]
Environment: DEAI_TRAIN (the tool), CANISTER_WASM (the module).
"""

import argparse
import base64
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import certification
from browser import Browser, Failure

ROOT = Path(__file__).resolve().parents[2]
TOOL = os.environ["DEAI_TRAIN"]
WASM = os.environ.get("CANISTER_WASM", str(ROOT / "build/canister.wasm"))


class Deployment:
    """An emulator with the canister, and commands on it."""

    def __init__(self, model):
        self.folder = tempfile.mkdtemp(prefix="deai-page-")
        self.environment = dict(os.environ, DEAI_IDENTITY=f"{self.folder}/identity.pem")
        self.state = f"{self.folder}/state"
        started = self.run("emulator", "start", "--background", "--port", "0", "--state", self.state, "--json")
        self.network = next(json.loads(line)["address"] for line in started.splitlines() if '"address"' in line)
        self.port = int(self.network.rsplit(":", 1)[1])
        self.run("canister", "create", *self.at)
        self.run("canister", "install", WASM, *self.at)
        self.model = model
        status = self.run("canister", "status", "classifier", *self.at)
        self.canister = re.search(r"[a-z0-9]{5}(-[a-z0-9]{3,5})+", status).group()
        self.origin = f"http://{self.canister}.localhost:{self.port}"

    @property
    def at(self):
        return ("--network", self.network)

    def run(self, *arguments):
        done = subprocess.run([TOOL, *arguments], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"deai-train {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def upload(self):
        self.run("upload", os.path.abspath(self.model), *self.at)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([TOOL, "emulator", "stop", "--state", self.state], env=self.environment, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def png(width, height, colour, pixels):
    """A PNG of 8-bit samples; colour type 0 (grey), 2 (RGB) or 6 (RGBA)."""
    channels = {0: 1, 2: 3, 6: 4}[colour]

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + pixels[y * width * channels:(y + 1) * width * channels] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def bitmap(width, height, pixels):
    """A BMP of RGB pixels whose rows need no padding: a picture that is not a PNG."""
    rows = b"".join(bytes(c for x in range(width) for c in pixels[3 * (y * width + x):3 * (y * width + x) + 3][::-1])
                    for y in reversed(range(height)))
    return (b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54)
            + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0) + rows)


def flipped(body, offset):
    offset %= len(body)
    return body[:offset] + bytes([body[offset] ^ 1]) + body[offset + 1:]


SETTLED = "['equal', 'different'].includes(document.getElementById('verdict').dataset.state)"
READY = "document.querySelector('#device .facts').innerText === 'Ready.'"
REFUSED = "!document.getElementById('trouble').hidden"
COAT = [[(0.3, 0.2), (0.3, 0.85), (0.7, 0.85), (0.7, 0.2), (0.3, 0.2)], [(0.3, 0.25), (0.15, 0.6)], [(0.7, 0.25), (0.85, 0.6)]]


def expect(condition, found=None):
    if not condition:
        raise AssertionError(found)


def answered(page, act):
    """Does something that asks for an answer; waits until both are there and returns verdict and labels."""
    page.evaluate("document.getElementById('verdict').dataset.state = 'asked'")
    act()
    page.wait(SETTLED)
    return (page.evaluate("document.getElementById('verdict').dataset.state"),
            page.text("#chain .best"), page.text("#device .best"))


class Tests:
    def __init__(self, browser, deployment, pictures):
        self.browser, self.deployment, self.pictures = browser, deployment, pictures
        self.folder = deployment.folder
        self.passed, self.failed = 0, 0

    def case(self, name, body):
        try:
            body()
            self.passed += 1
        except (Failure, AssertionError) as error:
            self.failed += 1
            print(f"page: FAILED {name}: {error}", flush=True)

    def page(self, **options):
        page = self.browser.page(**options)
        page.open(self.deployment.origin + "/")
        return page

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        Path(path).write_bytes(content)
        return path

    # Before there is a model.

    def without_a_model(self):
        with self.page() as page:
            page.wait(REFUSED)
            expect("no model has been activated" in page.text("#trouble"), page.text("#trouble"))

    # What the gateway gets.

    def certified_responses(self):
        text = self.deployment.canister.replace("-", "").upper()
        principal = base64.b32decode(text + "=" * (-len(text) % 8))[4:]

        def get(path, method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", self.deployment.port, timeout=30)
            connection.request(method, path, headers={"Host": f"{self.deployment.canister}.localhost"})
            response = connection.getresponse()
            body = response.read()
            connection.close()
            return path, response.status, response.getheaders(), body

        bodies = {}
        for path in ("/", "/?a=b", "/page.css", "/page.js", "/canister.js", "/device.js", "/browser.wasm", "/model.deai",
                     "/none", "/none/at/all", "/page.js/", "/%3Cscript%3E"):
            answer = get(path)
            certification.check(*answer, principal)
            expect(answer[1] == (404 if "none" in path or path in ("/page.js/", "/%3Cscript%3E") else 200), answer[:2])
            bodies[path] = answer
        expect(bodies["/model.deai"][3] == Path(self.deployment.model).read_bytes())
        expect(b"<!DOCTYPE html>" in gzip.decompress(bodies["/"][3]))
        # The checks fail when anything changes.
        path, status, headers, body = bodies["/page.js"]
        certainly = [(path, status, headers, flipped(body, 9)), (path, 404, headers, body), ("/page.css", status, headers, body),
                     (path, status, [(n, v + "x" if n.lower() == "content-security-policy" else v) for n, v in headers], body)]
        for changed in certainly:
            try:
                certification.check(*changed, principal)
            except AssertionError:
                continue
            raise AssertionError(f"accepted a changed response: {changed[:2]}")

    # The page as it should be.

    def loads(self):
        with self.page() as page:
            page.wait(READY)
            states = page.evaluate("Array.from(document.querySelectorAll('#proof li'), (item) => item.dataset.state)")
            expect(states == ["yes", "yes", "yes", "note"], states)
            expect(not page.complaints, page.complaints)
            digest = hashlib.sha256(Path(self.deployment.model).read_bytes()).hexdigest()
            expect(digest in page.text("#proof") and digest in page.text("#card"), digest)
            expect("Accuracy" in page.text("#card") and "multiply-accumulates" in page.text("#card"))

    def drawings(self):
        with self.page() as page:
            page.wait(READY)
            for count in range(1, len(COAT) + 1):
                state, chain, device = answered(page, lambda: page.draw(COAT[count - 1]))
                expect(state == "equal" and chain == device != "–", (state, chain, device))
                expect(re.search(r"[\d,]{6,} instructions", page.text("#chain .facts")), page.text("#chain .facts"))
                expect(len(page.evaluate("Array.from(document.querySelectorAll('#chain .bars li'), (e) => e.innerText)")) == 5)
            page.evaluate("document.getElementById('clear').click()")
            expect(page.text("#chain .best") == "–" and page.text("#device .best") == "–")

    def dropped_pictures(self):
        expect(len(self.pictures) >= 10, self.pictures)
        told = [json.loads(line) for line in self.deployment.run(
            "query", *map(str, self.pictures), *self.deployment.at, "--json").splitlines()]
        with self.page() as page:
            page.wait(READY)
            for picture, answer in zip(self.pictures, told):
                state, chain, device = answered(page, lambda: page.drop(picture))
                expect(state == "equal" and chain == device, (picture, state, chain, device))
                expect(f'"{chain}"' in json.dumps(answer), (picture, chain, answer))
            expect(not page.complaints, page.complaints)

    def other_pictures(self):
        noise = lambda count: b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(count // 32 + 1))[:count]
        files = [
            self.file("grey.png", png(28, 28, 0, noise(784))), self.file("colour.png", png(61, 40, 2, noise(7320))),
            self.file("alpha.png", png(200, 300, 6, noise(240000))), self.file("one.png", png(1, 1, 0, b"\x80")),
            self.file("picture.bmp", bitmap(40, 24, noise(2880))),
        ]
        with self.page() as page:
            page.wait(READY)
            for path in files:
                state, chain, device = answered(page, lambda: page.choose(path))
                expect(state == "equal" and chain == device != "–", (path, state, chain, device))
            page.choose(self.file("words.txt", b"no picture"))
            page.wait("document.getElementById('verdict').innerText.includes('is not a picture')")

    def nothing_from_elsewhere(self):
        with self.page() as page:
            page.wait(READY)
            answered(page, lambda: page.draw(*COAT[:1]))
            strangers = [url for url in page.requests
                         if not url.startswith((self.deployment.origin + "/", "data:", "blob:"))]
            expect(len(page.requests) >= 9 and not strangers, strangers or page.requests)
            for attempt in (f"fetch('{self.deployment.network}/api/v2/status')", "import('data:text/javascript,1')",
                            "new Promise((yes, no) => { const e = new Image(); e.onload = yes; e.onerror = () => no('blocked');"
                            f" e.src = '{self.deployment.network}/x.png'; }})"):
                try:
                    page.evaluate(attempt)
                    raise AssertionError(f"allowed: {attempt}")
                except Failure:
                    pass
            expect(any("Content Security Policy" in complaint for complaint in page.complaints), page.complaints)

    def by_parameter(self):
        with self.browser.page() as page:
            page.open(f"{self.deployment.network}/?canisterId={self.deployment.canister}")
            page.wait(READY)
            expect(answered(page, lambda: page.draw(*COAT[:1]))[0] == "equal")

    # What must be refused.

    def refused(self, pattern, tamper):
        with self.page(tamper=tamper) as page:
            page.wait(REFUSED)
            expect(re.search(pattern, page.text("#trouble")) and "refused" in page.text("#trouble"), page.text("#trouble"))
            page.draw(*COAT[:1])
            page.wait("document.querySelector('#chain .best').innerText !== '–'")
            expect(page.text("#device .best") == "–")
            expect(page.evaluate("document.getElementById('verdict').dataset.state") != "equal")
            expect("no" in page.evaluate("Array.from(document.querySelectorAll('#proof li'), (e) => e.dataset.state)"))

    def in_model(self, change):
        return lambda path, body: change(body) if path == "/model.deai" else None

    def in_card(self, find, change):
        """Changes the answer of `certified_model` behind the place where it says `find`."""
        def tamper(path, body):
            at = body.find(find)
            return change(body, at + len(find)) if path.endswith("/query") and at >= 0 else None
        return tamper

    def tampered_models(self):
        size = os.path.getsize(self.deployment.model)
        for offset in (0, 100, size // 2, size - 1):
            self.refused("the downloaded file has SHA-256 [0-9a-f]{64}, but the subnet certified",
                         self.in_model(lambda body: flipped(body, offset)))
        self.refused("the downloaded file has SHA-256", self.in_model(lambda body: body[:-1]))
        self.refused("the downloaded file has SHA-256", self.in_model(lambda body: body + b"\0"))
        self.refused("the downloaded file has SHA-256", self.in_model(lambda body: b""))

    def tampered_certificates(self):
        # The label `signature` in the certificate is followed by the head of 48 bytes.
        self.refused("not signed by the expected key",
                     self.in_card(b"isignature\x58\x30", lambda body, at: flipped(body, at + 20)))
        # Another hash of the model in the witness: its root is not the certified one.
        digest = hashlib.sha256(Path(self.deployment.model).read_bytes()).digest()
        self.refused("certified other data than the canister shows",
                     self.in_card(b"\x46sha256\x82\x03\x58\x20", lambda body, at: flipped(body, at)))
        # Another time in the certificate: its root is not the signed one.
        self.refused("not signed by the expected key",
                     self.in_card(b"\x44time\x82\x03", lambda body, at: flipped(body, at + 4)))
        # Another hash in the card alone.
        def in_candid(path, body):
            for match in re.finditer(re.escape(digest), body):
                if body[match.start() - 4:match.start()] != b"\x82\x03\x58\x20":
                    return flipped(body, match.start() + 3)

        self.refused("the card names another model than the certificate", in_candid)
        # Another provenance.
        self.refused("the provenance that the canister tells is not the certified one",
                     lambda path, body: body.replace(b"int8Accuracy", b"int9Accuracy") if path.endswith("/query") else None)

    def other_keys_and_times(self):
        self.refused("public key is not a valid one|not signed by the expected key",
                     lambda path, body: flipped(body, body.find(b"root_key") + 60) if path == "/api/v2/status" else None)
        with self.page() as page:
            page.wait(READY)
            for shift, pattern in ((600_000, "the certificate is 6.. seconds old"), (-600_000, "the certificate is [56].. seconds ahead")):
                try:
                    page.evaluate("(async () => state.device.prove(await state.canister.certifiedModel(), state.canister.id,"
                                  f" await state.canister.rootKey(), Date.now() + {shift}))()")
                    raise AssertionError("accepted")
                except Failure as refusal:
                    expect(re.search(pattern, str(refusal)), refusal)
                # What was proven before does not count any more.
                page.draw(*COAT[:1])
                page.wait("document.querySelector('#device .facts').innerText.includes('no model is loaded')")


    def mainnet_certificates(self):
        """Two certificates of the Internet Computer, with a delegation each, up to where they say nothing of a model."""
        source = (ROOT / "Tests/InternetComputerTests/CertificateTests.swift").read_text()
        answers = re.findall(r'"(2dn3[A-Za-z0-9+/=]+)"', source)
        expect(len(answers) == 2, len(answers))
        with self.page() as page:
            page.wait(READY)
            for answer, time in zip(answers, (1_763_796_896_688, 1_645_601_880_652)):
                for change, pattern in (("", "certified other data than the canister shows"),
                                        ("certificate[certificate.length - 1] ^= 1;", "the certificate|delegation"),
                                        ("certificate[certificate.indexOf(0x58) + 9] ^= 1;", "not signed by the expected key")):
                    try:
                        page.evaluate(
                            f"const {{ certificate }} = fromCbor(Uint8Array.from(atob('{answer}'), (c) => c.charCodeAt(0))); {change}"
                            " state.device.prove({ certificate, witness: Uint8Array.of(0x82, 3, 0x40), model: { provenance: '' } },"
                            f" principal('ivg37-qiaaa-aaaab-aaaga-cai'), null, {time});".join("{}"))
                        raise AssertionError("accepted")
                    except Failure as refusal:
                        expect(re.search(pattern, str(refusal)), (change, refusal))


def pictures_of(folder):
    """Two of each class, and no more than twenty."""
    classes = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    return [picture for label in classes for picture in sorted(label.glob("*.png"))[:2]][:20]


def all_equal(browser, deployment, images, count):
    """Logits of every test image: native = canister by the tool, canister = browser here."""
    said = deployment.run("verify-onchain", os.path.abspath(deployment.model), *deployment.at, "--dataset", "fashion-mnist")
    print("native and canister:", said.strip().splitlines()[-1])
    data = gzip.open(images).read()
    found, height, width = struct.unpack(">III", data[4:16])
    count, size = min(count, found), height * width
    batch, equal, begin = 500, 0, time.monotonic()
    with browser.page() as page:
        page.open(deployment.origin + "/")
        page.wait(READY)
        page.evaluate("names.push('logits')")
        for start in range(0, count, batch):
            part = data[16 + start * size:16 + min(start + batch, count) * size]
            equal += page.evaluate(
                "(async () => { const pixels = Uint8Array.from(atob('" + base64.b64encode(part).decode() + "'), (c) => c.charCodeAt(0));"
                f" const size = {size}, count = pixels.length / size, each = 4 * state.model.labels.length;"
                " const fields = [['count', 0x79], ['pixels', 1]].sort((a, b) => fieldId(a[0]) - fieldId(b[0]));"
                " const values = { count: new Uint8Array(Uint32Array.of(count).buffer), pixels: concat(leb(pixels.length), pixels) };"
                " const argument = concat(utf8.encode('DIDL'), leb(2), Uint8Array.of(0x6c, 2),"
                " ...fields.flatMap(([name, type]) => [leb(fieldId(name)), leb(type)]), Uint8Array.of(0x6d, 0x7b, 1, 0),"
                " ...fields.map(([name]) => values[name]));"
                " const chain = (await state.canister.query('logits_raw', argument)).logits, here = state.device.logits(pixels);"
                " if (chain.length !== count * each || here.length !== count * each) throw new Error('lengths');"
                " let equal = 0; for (let i = 0; i < count; i++)"
                " equal += sameBytes(chain.subarray(i * each, (i + 1) * each), here.subarray(i * each, (i + 1) * each));"
                " return equal; })()")
    print(f"canister and browser: {equal} of {count} pictures have equal logits ({time.monotonic() - begin:.0f} s)")
    return equal == count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--pictures", default=str(ROOT / "datasets/fashion-mnist-sample/test"))
    parser.add_argument("--all", metavar="IMAGES")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--screenshots", metavar="FOLDER")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    # Ended from outside, it still ends its emulator and its browser.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pictures = pictures_of(options.pictures)
    with Deployment(options.model) as deployment, Browser() as browser:
        if options.all:
            deployment.upload()
            sys.exit(0 if all_equal(browser, deployment, options.all, options.count) else 1)
        tests = Tests(browser, deployment, pictures)
        if options.screenshots:
            deployment.upload()
            return screenshots(tests, Path(options.screenshots))
        tests.case("a canister without a model says so", tests.without_a_model)
        deployment.upload()
        for name, body in (
            ("every response is certified", tests.certified_responses),
            ("the page loads, proves and tells the card", tests.loads), ("drawings: equal answers", tests.drawings),
            ("dropped pictures: equal answers, those of the tool", tests.dropped_pictures),
            ("pictures of other kinds: equal answers", tests.other_pictures),
            ("nothing is asked for elsewhere, nor could be", tests.nothing_from_elsewhere),
            ("the canister named in the address", tests.by_parameter),
            ("a tampered model is refused", tests.tampered_models),
            ("a tampered certificate or card is refused", tests.tampered_certificates),
            ("certificates of the Internet Computer", tests.mainnet_certificates),
            ("another root key and a wrong clock are refused", tests.other_keys_and_times),
        ):
            if options.only not in name:
                continue
            begin = time.monotonic()
            tests.case(name, body)
            print(f"page: {name} ({time.monotonic() - begin:.1f} s)", flush=True)
        print(f"page: {tests.passed} passed, {tests.failed} failed")
        sys.exit(1 if tests.failed else 0)


def screenshots(tests, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in (("page-desktop", {"width": 1000, "height": 1180}),
                          ("page-phone", {"width": 390, "height": 1180, "phone": True, "dark": True})):
        with tests.page(**options) as page:
            page.wait(READY)
            answered(page, lambda: page.drop(tests.pictures[0]))
            page.screenshot(folder / f"{name}.png")
    with tests.page(width=1000, height=820, tamper=tests.in_model(lambda body: flipped(body, 5000))) as page:
        page.wait(REFUSED)
        page.screenshot(folder / "page-refused.png")


main()
