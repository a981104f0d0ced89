"""Chromium without a window, driven over the pipe of its DevTools protocol; needs nothing but Python."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


class Failure(Exception):
    """The browser or the page did something else than was asked."""


class Browser:
    """One Chromium process with a profile that goes away with it."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="deai-page-")
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def plumb():
            # The protocol's ends are descriptors 3 and 4; duplicates first, for either may be one of these two.
            reading, writing = os.dup(to_browser), os.dup(from_browser)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self._log = open(os.path.join(self.profile, "log"), "w")
        command = [
            os.environ.get("CHROMIUM", "chromium"), "--headless=new", "--remote-debugging-pipe", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
            "--disable-extensions", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={self.profile}/data",
            # Everything but loopback names nothing: what a page asks for elsewhere fails, and is seen.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
        ]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        self._process = subprocess.Popen(
            [*command, "about:blank"], preexec_fn=plumb, close_fds=False, stdout=self._log, stderr=self._log)
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._buffer, self._pages, self._answers = 0, b"", {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.send("Browser.close")
        except (Failure, OSError):
            pass
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _receive(self, seconds):
        """The next message, or None when none came in time."""
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            if not ready:
                return None
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise Failure("the browser ended: " + open(self._log.name).read()[-2000:])
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def send(self, method, session=None, **parameters):
        """The result of a command; events that come before it go to their pages."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        # Dispatching an event may send commands itself, and then meets answers that are waited for further out.
        while number not in self._answers:
            message = self._receive(60)
            if message is None:
                raise Failure(f"no answer to {method}")
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._dispatch(message)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Failure(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def pump(self, seconds):
        """Lets events arrive."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            message = self._receive(left)
            if message is not None and "id" not in message:
                self._dispatch(message)

    def _dispatch(self, message):
        page = self._pages.get(message.get("sessionId"))
        if page:
            page.event(message["method"], message["params"])

    def page(self, **options):
        return Page(self, **options)


class Page:
    """A tab with a storage of its own.

    `tamper(path, body)` may return another body for what the page loads from that path, or None.
    """

    def __init__(self, browser, tamper=None, width=1200, height=900, phone=False, dark=False):
        self.browser, self.tamper = browser, tamper
        self.requests, self.complaints = [], []
        self._context = browser.send("Target.createBrowserContext")["browserContextId"]
        target = browser.send("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser._pages[self._session] = self
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1.5 if phone else 1, mobile=phone)
        self.send("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        if tamper:
            self.send("Fetch.enable", patterns=[{"requestStage": "Response"}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.send("Target.disposeBrowserContext", browserContextId=self._context)

    def send(self, method, **parameters):
        return self.browser.send(method, self._session, **parameters)

    def event(self, method, parameters):
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method == "Fetch.requestPaused":
            self._paused(parameters)

    def _paused(self, parameters):
        path = "/" + parameters["request"]["url"].split("/", 3)[3].split("?")[0]
        changed = None
        if "responseStatusCode" in parameters:
            answer = self.send("Fetch.getResponseBody", requestId=parameters["requestId"])
            body = base64.b64decode(answer["body"]) if answer["base64Encoded"] else answer["body"].encode()
            changed = self.tamper(path, body)
        if changed is None:
            self.send("Fetch.continueRequest", requestId=parameters["requestId"])
        else:
            self.send("Fetch.fulfillRequest", requestId=parameters["requestId"],
                      responseCode=parameters["responseStatusCode"],
                      responseHeaders=[header for header in parameters["responseHeaders"]
                                       if header["name"].lower() not in ("content-length", "content-encoding")],
                      body=base64.b64encode(changed).decode())

    def open(self, url):
        self.send("Page.navigate", url=url)

    def evaluate(self, expression):
        """The value of an expression, awaited if it is a promise."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failure(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, condition, seconds=30):
        """Waits until the condition holds; returns its value."""
        until = time.monotonic() + seconds
        while True:
            try:
                value = self.evaluate(condition)
            except Failure:
                value = None
            if value:
                return value
            if time.monotonic() > until:
                raise Failure(f"never became true: {condition}\n{self.evaluate('document.body?.innerText')}")
            self.browser.pump(0.05)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def draw(self, *strokes):
        """Strokes with the mouse on the canvas; points are fractions of its sides."""
        box = self.evaluate("(({x, y, width, height}) => [x, y, width, height])"
                            "(document.getElementById('canvas').getBoundingClientRect())")

        def mouse(kind, point):
            self.send("Input.dispatchMouseEvent", type=kind, x=box[0] + point[0] * box[2], y=box[1] + point[1] * box[3],
                      button="left", buttons=0 if kind == "mouseReleased" else 1, clickCount=1)

        for stroke in strokes:
            mouse("mousePressed", stroke[0])
            for start, end in zip(stroke, stroke[1:]):
                for step in range(1, 9):
                    mouse("mouseMoved", [a + (b - a) * step / 8 for a, b in zip(start, end)])
            mouse("mouseReleased", stroke[-1])

    def drop(self, path):
        """Drops a file on the middle of the canvas."""
        x, y = self.evaluate("(({x, y, width, height}) => [x + width / 2, y + height / 2])"
                             "(document.getElementById('canvas').getBoundingClientRect())")
        data = {"items": [], "files": [os.path.abspath(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def choose(self, path):
        """Chooses a file in the page's own input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[os.path.abspath(path)])

    def screenshot(self, path):
        answer = self.send("Page.captureScreenshot", format="png")
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))
