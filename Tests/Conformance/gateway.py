"""The HTTP gateway: web requests answered by a canister."""

import http.client
import sys

import candid_lite as candid
from harness import Client, Emulator, Suite, certificate_tree, leb128, lookup, text
from scenarios import World
from universal import P

def field_type():
    """record { text; text }"""
    return candid.Type(-20, [(0, candid.TEXT), (1, candid.TEXT)],
                       lambda v: candid.TEXT.write(v[0]) + candid.TEXT.write(v[1]))


HEADERS = candid.vec(field_type())
TOKEN = candid.record(key=candid.TEXT, index=candid.NAT, tags=candid.vec(candid.TEXT))


def response(status=200, headers=(), body=b"", upgrade=None):
    shape = candid.record(status_code=candid.NAT16, headers=HEADERS, body=candid.BLOB,
                          upgrade=candid.opt(candid.BOOL))
    return candid.encode((shape, {
        "status_code": status, "headers": list(headers), "body": body, "upgrade": upgrade}))


def streaming(canister, body, token):
    """A response with a streaming strategy; the callback is the canister's query `stream`."""
    callback = candid.Type(-22, [], lambda v: b"\x01\x01" + leb128(len(canister)) + canister
                           + candid.TEXT.write("stream"))
    strategy = candid.variant(Callback=candid.record(callback=callback, token=TOKEN))
    shape = candid.record(status_code=candid.NAT16, headers=HEADERS, body=candid.BLOB,
                          streaming_strategy=candid.opt(strategy))
    return candid.encode((shape, {
        "status_code": 200, "headers": [("content-type", "text/plain")], "body": body,
        "streaming_strategy": {"Callback": {"callback": None, "token": token}}}))


def piece(body, token):
    shape = candid.record(body=candid.BLOB, token=candid.opt(TOKEN))
    return candid.encode((shape, {"body": body, "token": token}))


def expect(condition, found=None):
    if not condition:
        raise AssertionError(found)


def main():
    suite = Suite("gateway")
    with Emulator() as emulator:
        world = World(emulator.port)
        canister = world.canister()
        name = text(canister)
        web = Client(emulator.port)

        def serves(program, update=None, stream=None):
            setup = P().hook("init", program)
            if update is not None:
                setup = setup.hook("pre_upgrade", update)
            if stream is not None:
                setup = setup.hook("heartbeat", stream)
            expect(world.client.update(canister, "run", setup.reply().code) == b"")

        def get(path="/", method="GET", host=None, body=None, **headers):
            return web.http(method, path, body, {"Host": host or f"{name}.localhost:{emulator.port}", **headers})

        def case(title, body): suite.case(title, body)

        def plain():
            serves(P().reply(response(200, [("content-type", "text/html"), ("x-own", "1")], b"<h1>hello</h1>")))
            found = get()
            expect(found.status == 200 and found.body == b"<h1>hello</h1>", found.body)
            expect(found.headers["content-type"] == "text/html" and found.headers["x-own"] == "1", found.headers)
            expect(found.headers["access-control-allow-origin"] == "*", found.headers)

        def by_parameter():
            found = get(f"/?canisterId={name}", host="127.0.0.1")
            expect(found.body == b"<h1>hello</h1>", found.body)

        def raw():
            found = get("/", host=f"{name}.raw.localhost")
            expect(found.body == b"<h1>hello</h1>", found.body)

        def by_referer():
            found = get("/style.css", host="127.0.0.1", Referer=f"http://127.0.0.1/?canisterId={name}")
            expect(found.body == b"<h1>hello</h1>", found.body)

        def request_passed():
            serves(P().append("msg_arg_data").msg_reply())
            # What the canister was asked comes back as Candid of the wrong shape: the gateway says so.
            found = get("/a/b?c=d&e", "POST", body=b"payload", **{"X-Mine": "yes"})
            expect(found.status == 502, found.status)

        def get_argument(target, body):
            # The body of the response is 4096 bytes of the canister's memory, with the argument at their start.
            shape = response(200, [], b"\0" * 4096)
            start = shape.index(b"\0" * 4096)
            program = P().msg_reply_data_append(shape[:start]).int(512).int(0).msg_arg_data_size().msg_arg_data_copy()
            program = program.msg_reply_data_append(512, 4096).msg_reply_data_append(shape[start + 4096:] or b"")
            serves(P().int(512).int(0).int(4096).fill() + program.msg_reply())
            found = get(target, "POST", body=body, **{"X-Mine": "yes"})
            expect(found.status == 200 and len(found.body) == 4096, (found.status, found.body[:200]))
            return candid.decode(found.body)[0]

        def upgrade():
            serves(P().reply(response(upgrade=True)),
                   P().counter().int(1).add().set_counter().reply(response(201, [("x-made", "by update")], b"changed")))
            found = get("/", "POST", body=b"x")
            expect(found.status == 201 and found.body == b"changed" and found.headers["x-made"] == "by update", found.body)
            count = world.client.query(canister, "query", P().counter().reply_int().code)
            expect(int.from_bytes(count, "little") == 1, count)

        def no_upgrade():
            serves(P().reply(response(200, upgrade=False, body=b"query")), P().trap(b"never"))
            expect(get().body == b"query")

        def streamed():
            first = {"key": "k", "index": 1, "tags": ["a", "b"]}
            last = {"key": "end", "index": 2**70, "tags": []}
            # The callback gets back exactly the token it gave: it compares sizes of the two it knows.
            token_bytes = len(candid.encode((TOKEN, first)))
            again, done = piece(b"second ", last), piece(b"third", None)
            serves(P().reply(streaming(canister, b"first ", first)), None, stream_program(token_bytes, again, done))
            found = get()
            expect(found.body == b"first second third", found.body)

        def stream_program(size, again, done):
            # if the argument has `size` bytes reply `again`, else `done`; each branch ends the program by a jump.
            yes, no = P().reply(again), P().reply(done)
            jump = P().int(0).op(11, len(no.code).to_bytes(4, "little"))
            test = P().msg_arg_data_size().int(size).op(10)
            return test.op(11, len((yes + jump).code).to_bytes(4, "little")) + yes + jump + no

        def foreign_callback():
            serves(P().reply(streaming(world.other(), b"x", {"key": "", "index": 0, "tags": []})))
            expect(get().status == 502)

        def stream_fails():
            serves(P().reply(streaming(canister, b"begin", {"key": "", "index": 0, "tags": []})), None, P().trap(b"no"))
            try:
                get()
                raise AssertionError("the truncated body looked complete")
            except (http.client.IncompleteRead, ConnectionError, http.client.BadStatusLine):
                web.connection.close()
            expect(get("/api/v2/status", host="127.0.0.1").status == 200)

        def certification():
            value = "certificate=:2dn3:, tree=:2dn3:, expr_path=:2dn3:, version=2"
            serves(P().reply(response(200, [("IC-Certificate", value), ("IC-CertificateExpression", "e"),
                                            ("set-cookie", "a=1"), ("set-cookie", "b=2")], b"")))
            found = get()
            expect(found.headers["ic-certificate"] == value and found.headers["ic-certificateexpression"] == "e")

        def data_certificate():
            serves(P().reply(response()))
            reply = world.client.query(canister, "query", P().append("data_certificate").msg_reply().code)
            tree = certificate_tree(reply)
            expect(lookup(tree, [b"canister", canister, b"certified_data"]) == b"" and lookup(tree, [b"time"]), tree)

        def own_headers():
            serves(P().reply(response(200, [("content-length", "1"), ("connection", "close"),
                                            ("access-control-allow-origin", "https://a.example")], b"12345")))
            found = get()
            expect(found.body == b"12345" and found.headers["access-control-allow-origin"] == "https://a.example")

        def status_codes():
            for status in (204, 301, 404, 418, 500):
                serves(P().reply(response(status)))
                expect(get().status == status, status)

        def bad_status():
            serves(P().reply(response(7)))
            expect(get().status == 502)

        def head():
            serves(P().reply(response(200, [("x-own", "1")], b"not sent")))
            found = get(method="HEAD")
            expect(found.status == 200 and found.body == b"" and found.headers["x-own"] == "1")

        def preflight():
            found = get(method="OPTIONS", **{"Access-Control-Request-Method": "POST", "Origin": "http://x"})
            expect(found.status == 204 and "POST" in found.headers["access-control-allow-methods"], found.headers)

        def api_preflight():
            found = get("/api/v2/canister/x/query", "OPTIONS", host="127.0.0.1")
            expect(found.status == 204 and found.headers["access-control-allow-origin"] == "*", found.status)

        def traps():
            serves(P().trap(b"broken page"))
            found = get()
            expect(found.status == 502 and b"broken page" in found.body, found.body)

        def garbage():
            serves(P().reply(b"no candid"))
            expect(get().status == 502)

        def unknown():
            found = get(host=text(b"\0" * 7 + b"\xff\1\1") + ".localhost")
            expect(found.status == 404, (found.status, found.body))

        def nobody():
            expect(get(host="127.0.0.1").status == 404)

        def bomb():
            nested = b"DIDL\x01\x6d\x7f\x01\x00" + b"\xff\xff\xff\xff\x0f"
            serves(P().reply(nested))
            expect(get().status == 502)

        for title, body in [
                ("a page", plain), ("canisterId parameter", by_parameter), ("raw host", raw), ("referer", by_referer),
                ("a reply of another shape", request_passed), ("what the canister sees", request_seen_only(get_argument)),
                ("upgrade to an update call", upgrade), ("upgrade = false", no_upgrade), ("streaming", streamed),
                ("callback of another canister", foreign_callback), ("failing stream", stream_fails),
                ("certification headers", certification), ("data certificate", data_certificate),
                ("headers of the connection", own_headers), ("status codes", status_codes), ("bad status", bad_status),
                ("HEAD", head), ("preflight", preflight), ("preflight of the API", api_preflight), ("trap", traps),
                ("no Candid", garbage), ("Candid bomb", bomb), ("unknown canister", unknown), ("no canister", nobody)]:
            case(title, body)
    return suite.finish()


def request_seen_only(get_argument):
    def body():
        seen = get_argument("/a/b?c=d&e", b"payload")
        expect(candid.get(seen, "url") == "/a/b?c=d&e", seen)
        expect(candid.get(seen, "method") == "POST" and candid.get(seen, "body") == b"payload", seen)
        expect(candid.get(seen, "certificate_version") == 2, seen)
        expect({0: "x-mine", 1: "yes"} in candid.get(seen, "headers"), candid.get(seen, "headers"))
    return body


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
