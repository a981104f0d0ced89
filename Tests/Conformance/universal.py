"""A canister that runs whatever program its caller sends, in the manner of the universal canister of the IC's own
test suite, as a Wasm module put together here: no toolchain is needed.

A program is a row of one-byte operations over a stack of i64. Operations from IC0 on are the functions of the
system API with their raw signatures: arguments are popped, the last one first, a result is pushed.
"""

from harness import leb128

I32, I64 = 0x7F, 0x7E

FUNCTIONS = [line.split(":") for line in """
msg_arg_data_size::i msg_arg_data_copy:iii: msg_caller_size::i msg_caller_copy:iii: msg_reject_code::i
msg_reject_msg_size::i msg_reject_msg_copy:iii: msg_deadline::l msg_reply_data_append:ii: msg_reply::
msg_reject:ii: msg_cycles_available128:i: msg_cycles_refunded128:i: msg_cycles_accept128:lli: cycles_burn128:lli:
canister_self_size::i canister_self_copy:iii: canister_cycle_balance128:i: canister_liquid_cycle_balance128:i:
canister_status::i canister_version::l subnet_self_size::i subnet_self_copy:iii: msg_method_name_size::i
msg_method_name_copy:iii: accept_message:: call_new:iiiiiiii: call_on_cleanup:ii: call_data_append:ii:
call_with_best_effort_response:i: call_cycles_add128:ll: call_perform::i stable64_size::l stable64_grow:l:l
stable64_write:lll: stable64_read:lll: root_key_size::i root_key_copy:iii: certified_data_set:ii:
data_certificate_present::i data_certificate_size::i data_certificate_copy:iii: time::l global_timer_set:l:l
performance_counter:i:l is_controller:ii:i in_replicated_execution::i cost_call:lli: cost_create_canister:i:
env_var_count::i env_var_name_size:i:i env_var_name_copy:iiii: env_var_name_exists:ii:i env_var_value_size:ii:i
env_var_value_copy:iiiii: debug_print:ii: trap:ii: msg_cycles_available::l msg_cycles_refunded::l
msg_cycles_accept:l:l canister_cycle_balance::l call_cycles_add:l: stable_size::i stable_grow:i:i
stable_write:iii: stable_read:iii: mint_cycles128:lli: msg_caller_info_data_size::i msg_caller_info_data_copy:iii:
msg_caller_info_signer_size::i msg_caller_info_signer_copy:iii:
""".split()]
IC0 = 48
NAMES = {name: IC0 + index for index, (name, _, _) in enumerate(FUNCTIONS)}
HOOKS = ["pre_upgrade", "heartbeat", "timer", "inspect", "init"]
CALLBACK = 255
STACK, PROGRAM, HEAP, PAGES = 4096, 0x10000, 0x100000, 32
# Globals.
PC, END, SP, BUMP, COUNTER, HOOK = 0, 1, 2, 3, 4, 5


def signed(value):
    out = bytearray()
    while True:
        byte = value & 127
        value >>= 7
        if (value == 0 and not byte & 64) or (value == -1 and byte & 64):
            out.append(byte)
            return bytes(out)
        out.append(byte | 128)


def i32(value): return b"\x41" + signed(value)
def i64(value): return b"\x42" + signed(value)
def get(index): return b"\x23" + leb128(index)
def put(index): return b"\x24" + leb128(index)
def local(index): return b"\x20" + leb128(index)
def call(index): return b"\x10" + leb128(index)


LOAD8, LOAD32, LOAD64, STORE32, STORE64 = (
    b"\x2d\0\0", b"\x28\0\0", b"\x29\0\0", b"\x36\0\0", b"\x37\0\0")
WRAP, EXTEND, ADD32, SUB32, ADD64, SUB64, DIV64 = b"\xa7", b"\xad", b"\x6a", b"\x6b", b"\x7c", b"\x7d", b"\x80"


def vector(items): return leb128(len(items)) + b"".join(items)
def name(text): return leb128(len(text)) + text.encode()
def section(number, body): return bytes([number]) + leb128(len(body)) + body


def module(without=None, persistent=False):
    """The module; `without` leaves out the imports whose names begin so, and their operations trap; `persistent` marks
    it as made for upgrades that keep the heap."""
    types, imports = [], []

    def type_index(parameters, results):
        entry = b"\x60" + vector([bytes([p]) for p in parameters]) + vector([bytes([r]) for r in results])
        if entry not in types:
            types.append(entry)
        return types.index(entry)

    kinds = {"i": I32, "l": I64}
    void = type_index([], [])
    for function, parameters, result in FUNCTIONS:
        if without and function.startswith(without):
            function, parameters, result = "msg_reply", "", ""  # keeps the indices of the others
        index = type_index([kinds[p] for p in parameters], [kinds[r] for r in result])
        imports.append(name("ic0") + name(function) + b"\x00" + leb128(index))
    codes, signatures = [], []

    def define(body, parameters=(), results=(), locals_=()):
        signatures.append(leb128(type_index(list(parameters), list(results))))
        declared = vector([b"\x01" + bytes([kind]) for kind in locals_])
        code = declared + body + b"\x0b"
        codes.append(leb128(len(code)) + code)
        return len(imports) + len(codes) - 1

    push = define(get(SP) + local(0) + STORE64 + get(SP) + i32(8) + ADD32 + put(SP), [I64])
    pop = define(get(SP) + i32(8) + SUB32 + put(SP) + get(SP) + LOAD64, results=[I64])
    pop32 = define(call(pop) + WRAP, results=[I32])
    advance = get(PC) + i32(4) + ADD32 + put(PC)
    immediate = define(get(PC) + LOAD32 + advance, results=[I32])
    run = define(
        local(0) + put(PC) + local(0) + local(1) + ADD32 + put(END) + i32(STACK) + put(SP)
        + b"\x02\x40\x03\x40" + get(PC) + get(END) + b"\x4f\x0d\x01"
        + get(PC) + LOAD8 + get(PC) + i32(1) + ADD32 + put(PC) + b"\x11" + leb128(void) + b"\x00"
        + b"\x0c\x00\x0b\x0b", [I32, I32])
    argument, copy = 0, 1  # indices of msg_arg_data_size and _copy
    run_argument = define(
        i32(PROGRAM) + i32(0) + call(argument) + call(copy)
        # A message of Candid is no program: libraries install with one that has no arguments.
        + i32(PROGRAM) + LOAD32 + i32(0x4C444944) + b"\x47\x04\x40"
        + i32(PROGRAM) + call(argument) + call(run) + b"\x0b")
    run_stored = define(
        local(0) + b"\x04\x40" + local(0) + i32(4) + ADD32 + local(0) + LOAD32 + call(run) + b"\x0b", [I32])

    operations = {}

    def operation(code, body, locals_=()):
        operations[code] = define(body, locals_=locals_)

    operation(0, b"")
    operation(1, get(PC) + LOAD64 + call(push) + get(PC) + i32(8) + ADD32 + put(PC))
    operation(2, call(immediate) + b"\x21\x00" + get(PC) + EXTEND + call(push) + local(0) + EXTEND + call(push)
              + get(PC) + local(0) + ADD32 + put(PC), [I32])
    operation(3, call(immediate) + b"\x21\x00" + get(BUMP) + local(0) + STORE32 + get(BUMP) + i32(4) + ADD32 + get(PC)
              + local(0) + b"\xfc\x0a\x00\x00" + get(BUMP) + EXTEND + call(push) + get(BUMP) + local(0) + ADD32
              + i32(11) + ADD32 + i32(-8) + b"\x71" + put(BUMP) + get(PC) + local(0) + ADD32 + put(PC), [I32])
    operation(4, call(pop) + b"\x1a")
    operation(5, call(pop) + b"\x22\x00" + call(push) + local(0) + call(push), [I64])
    operation(6, call(pop) + call(pop) + ADD64 + call(push))
    operation(7, b"\x00")
    operation(8, call(pop32) + LOAD64 + call(push))
    operation(9, call(pop) + b"\x21\x00" + call(pop32) + local(0) + STORE64, [I64])
    operation(10, call(pop) + call(pop) + b"\x51" + EXTEND + call(push))
    operation(11, call(immediate) + b"\x21\x00" + call(pop) + b"\x50\x04\x40" + get(PC) + local(0) + ADD32 + put(PC)
              + b"\x0b", [I32])
    operation(12, b"\x03\x40\x0c\x00\x0b")
    operation(13, call(pop32) + b"\x40\x00" + EXTEND + call(push))
    operation(14, call(pop32) + LOAD8 + EXTEND + call(push))
    operation(15, call(pop) + b"\x21\x00" + call(pop) + local(0) + DIV64 + call(push), [I64])
    operation(16, call(pop) + b"\x21\x00" + call(pop) + local(0) + SUB64 + call(push), [I64])
    operation(17, call(pop) + b"\x21\x00" + call(pop) + b"\x21\x01" + local(0) + call(push) + local(1) + call(push),
              [I64, I64])
    operation(18, call(pop32) + b"\x21\x00" + call(pop32) + b"\x21\x01" + call(pop32) + local(1) + local(0)
              + b"\xfc\x0b\x00", [I32, I32])
    operation(19, get(COUNTER) + call(push))
    operation(20, call(pop) + put(COUNTER))
    for index in range(len(HOOKS)):
        operation(32 + index, call(pop32) + put(HOOK + index))
    for index, (function, parameters, result) in enumerate(FUNCTIONS):
        if without and function.startswith(without):
            continue
        body, locals_ = b"", []
        for position in reversed(range(len(parameters))):
            locals_.append(kinds[parameters[position]])
            body += call(pop) + (WRAP if parameters[position] == "i" else b"") + b"\x21" + leb128(len(locals_) - 1)
        for position in range(len(parameters)):
            body += local(len(parameters) - 1 - position)
        body += call(index)
        if result:
            body += (EXTEND if result == "i" else b"") + call(push)
        operation(IC0 + index, body, locals_)
    operations[CALLBACK] = run_stored

    def hook(index): return get(HOOK + index) + call(run_stored)

    exports = {
        "canister_update run": run_argument, "canister_query query": run_argument,
        "canister_composite_query crun": run_argument, "canister_init": run_argument,
        "canister_post_upgrade": run_argument,
        "canister_query http_request": define(hook(4)), "canister_update http_request_update": define(hook(0)),
        "canister_query stream": define(hook(1)),
        "canister_pre_upgrade": define(hook(0)), "canister_heartbeat": define(hook(1)),
        "canister_global_timer": define(hook(2)),
        "canister_inspect_message": define(
            get(HOOK + 3) + b"\x45\x04\x40" + call(NAMES["accept_message"] - IC0) + b"\x05" + hook(3) + b"\x0b"),
    }
    elements = [b"\x00" + i32(code) + b"\x0b\x01" + leb128(index) for code, index in operations.items()]
    globals_ = [bytes([I32, 1]) + i32(value) + b"\x0b" for value in (0, 0, STACK, HEAP)]
    globals_ += [bytes([I64, 1]) + i64(0) + b"\x0b"] + [bytes([I32, 1]) + i32(0) + b"\x0b"] * len(HOOKS)

    def custom(key, content): return section(0, name(key) + content)

    return (
        b"\0asm\1\0\0\0" + section(1, vector(types)) + section(2, vector(imports)) + section(3, vector(signatures))
        + section(4, b"\x01\x70\x00" + leb128(256)) + section(5, b"\x01\x00" + leb128(PAGES))
        + section(6, vector(globals_))
        + section(7, vector([name(key) + b"\x00" + leb128(index) for key, index in exports.items()]))
        + section(9, vector(elements)) + section(10, vector(codes))
        + custom("icp:public candid:service", b"service : { run : (blob) -> () }")
        + custom("icp:private secret", b"for controllers only")
        + (custom("icp:private enhanced-orthogonal-persistence", b"") if persistent else b""))


class Program:
    """Builds programs: `P().reply(b"x")`; names of the system API are methods that take ints and blobs."""

    def __init__(self, code=b""):
        self.code = code

    def __add__(self, other): return Program(self.code + other.code)
    def op(self, code, rest=b""): return Program(self.code + bytes([code]) + rest)
    def int(self, value): return self.op(1, (value % 2**64).to_bytes(8, "little"))
    def blob(self, data): return self.op(2, len(data).to_bytes(4, "little") + data)
    def stored(self, program): return self.op(3, len(program.code).to_bytes(4, "little") + program.code)
    def drop(self): return self.op(4)
    def add(self): return self.op(6)
    def unreachable(self): return self.op(7)
    def load(self): return self.op(8)
    def store(self): return self.op(9)
    def forever(self): return self.op(12)
    def grow(self): return self.op(13)
    def divide(self): return self.op(15)
    def swap(self): return self.op(17)
    def fill(self): return self.op(18)
    def counter(self): return self.op(19)
    def set_counter(self): return self.op(20)
    def hook(self, which, program): return self.stored(program).op(32 + HOOKS.index(which))

    def __getattr__(self, function):
        if function not in NAMES:
            raise AttributeError(function)

        def method(*arguments):
            program = self
            for argument in arguments:
                program = program.blob(argument) if isinstance(argument, bytes) else program.int(argument)
            return program.op(NAMES[function])
        return method

    def reply(self, data=b""): return self.msg_reply_data_append(data).msg_reply()
    def reject(self, message): return self.msg_reject(message)

    def reply_candid(self):
        """Replies with what is on the stack as a nat64 of Candid."""
        return self.int(8).swap().store().msg_reply_data_append(b"DIDL\0\1\x78").msg_reply_data_append(8, 8).msg_reply()

    def reply_int(self):
        """Replies with the eight bytes of what is on the stack."""
        return self.int(0).swap().store().msg_reply_data_append(0, 8).msg_reply()

    def append(self, what, *head):
        """Appends what `what_size` and `what_copy` give: `append("msg_caller")`."""
        program = self.int(256).int(0)
        program = getattr(program, what + "_size")()
        program = getattr(program, what + "_copy")().int(256)
        return getattr(program, what + "_size")().msg_reply_data_append()

    def reply_with(self, what): return self.append(what).msg_reply()

    def reply_amount(self, function):
        """Replies with the 16 bytes that a function writes to an address."""
        return getattr(self, function)(0).msg_reply_data_append(0, 16).msg_reply()

    def call(self, canister, method, payload, reply=None, reject=None, cleanup=None, cycles=0, timeout=None):
        reply = reply or Program().append("msg_arg_data").msg_reply()
        reject = reject or Program().append("msg_reject_msg").msg_reply()
        program = self.blob(canister).blob(method).int(CALLBACK).stored(reply).int(CALLBACK).stored(reject).call_new()
        if cleanup is not None:
            program = program.int(CALLBACK).stored(cleanup).call_on_cleanup()
        program = program.call_data_append(payload)
        if timeout is not None:
            program = program.call_with_best_effort_response(timeout)
        if cycles:
            program = program.call_cycles_add128(0, cycles)
        return program.call_perform()


P = Program
