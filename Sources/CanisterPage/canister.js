// The canister through the Internet Computer's HTTP interface: just the CBOR and Candid that its queries need.
// Plain scripts, not modules: what a module imports would name the module, not the page, as the place it came from, and
// a gateway that is told the canister in the address of the page could not find it.
"use strict";

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const sameBytes = (a, b) => a.length === b.length && a.every((byte, index) => byte === b[index]);

// A principal's bytes; the text is checked by its CRC-32.
function principal(name) {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  const bytes = [];
  let buffer = 0, bits = 0;
  for (const character of name.toLowerCase().replaceAll("-", "")) {
    const value = alphabet.indexOf(character);
    if (value < 0) return null;
    buffer = (buffer << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((buffer >> bits) & 255);
      buffer &= (1 << bits) - 1;
    }
  }
  let crc = ~0;
  for (const byte of bytes.slice(4)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  crc = ~crc >>> 0;
  const sum = bytes.slice(0, 4).reduce((value, byte) => value * 256 + byte, 0);
  return bytes.length >= 4 && sum === crc ? Uint8Array.from(bytes.slice(4)) : null;
}

// The canister that served this page: by host name, by ?canisterId=, or by the gateway's header.
async function ownPrincipal() {
  const names = [location.hostname.split(".")[0], new URLSearchParams(location.search).get("canisterId")];
  for (const name of names) if (name && principal(name)) return name;
  const response = await fetch("./", { method: "HEAD" });
  const name = response.headers.get("x-ic-canister-id");
  if (name && principal(name)) return name;
  throw new Error("neither the address nor the gateway tells which canister this page belongs to");
}

// ---- CBOR (RFC 8949)

function cborHead(major, value) {
  if (value < 24) return Uint8Array.of((major << 5) | Number(value));
  const width = value < 256 ? 1 : value < 65536 ? 2 : value < 2 ** 32 ? 4 : 8;
  const head = new Uint8Array(1 + width);
  head[0] = (major << 5) | { 1: 24, 2: 25, 4: 26, 8: 27 }[width];
  for (let i = 0, rest = BigInt(value); i < width; i++, rest >>= 8n) head[width - i] = Number(rest & 255n);
  return head;
}

function cbor(value) {
  if (typeof value === "bigint" || typeof value === "number") return cborHead(0, value);
  if (value instanceof Uint8Array) return concat(cborHead(2, value.length), value);
  if (typeof value === "string") {
    const bytes = utf8.encode(value);
    return concat(cborHead(3, bytes.length), bytes);
  }
  const entries = Object.entries(value);
  return concat(cborHead(5, entries.length), ...entries.flatMap(([key, item]) => [cbor(key), cbor(item)]));
}

function fromCbor(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let offset = 0;
  const take = (count) => {
    if (count > bytes.length - offset) throw new Error("the answer ends early");
    offset += count;
    return bytes.subarray(offset - count, offset);
  };
  function item(depth) {
    if (depth > 32) throw new Error("the answer nests too deep");
    const [head] = take(1);
    const major = head >> 5, low = head & 31;
    let value = low;
    if (low >= 24) {
      const at = offset;
      take(1 << (low - 24));
      value = low === 24 ? view.getUint8(at) : low === 25 ? view.getUint16(at) : low === 26 ? view.getUint32(at)
        : low === 27 ? view.getBigUint64(at) : NaN;
      if (typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER) value = Number(value);
      if (Number.isNaN(value)) throw new Error("the answer has a length of an unknown kind");
    }
    switch (major) {
      case 0: return value;
      case 2: return take(value).slice();
      case 3: return text.decode(take(value));
      case 4: return Array.from({ length: Math.min(value, bytes.length) }, () => item(depth + 1));
      case 5: {
        const map = {};
        for (let i = 0; i < value; i++) {
          const key = item(depth + 1);
          map[key] = item(depth + 1);
        }
        return map;
      }
      case 6: return item(depth + 1);
      case 7: return low === 20 ? false : low === 21 ? true : null;
      default: throw new Error("the answer has a number of an unknown kind");
    }
  }
  return item(0);
}

// ---- Candid

const leb = (value) => {
  const bytes = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return Uint8Array.from(bytes);
};

const fieldId = (name) => utf8.encode(name).reduce((hash, byte) => (Math.imul(hash, 223) + byte) >>> 0, 0);

// The argument of `classify`: all classes of one picture, which is { png } or { pixels }.
function classifyArgument(image, top) {
  const kinds = ["png", "pixels"].sort((a, b) => fieldId(a) - fieldId(b));
  const kind = "png" in image ? "png" : "pixels";
  const fields = [["image", 1], ["top", 3]].sort((a, b) => fieldId(a[0]) - fieldId(b[0]));
  const values = {
    image: concat(leb(kinds.indexOf(kind)), leb(image[kind].length), image[kind]),
    top: Uint8Array.of(1, top & 255, top >> 8, 0, 0),
  };
  return concat(
    utf8.encode("DIDL"), leb(4),
    // 0: the question; 1: variant of two blobs; 2: blob; 3: opt nat32
    Uint8Array.of(0x6c, 2), ...fields.flatMap(([name, type]) => [leb(fieldId(name)), leb(type)]),
    Uint8Array.of(0x6b, 2), ...kinds.flatMap((name) => [leb(fieldId(name)), leb(2)]),
    Uint8Array.of(0x6d, 0x7b), Uint8Array.of(0x6e, 0x79),
    Uint8Array.of(1, 0), ...fields.map(([name]) => values[name]));
}

const noArgument = utf8.encode("DIDL\0\0");

// The first value of a message. Fields and cases that `names` does not list are left out; a variant is { case: value }.
function fromCandid(bytes, names) {
  const known = new Map(names.map((name) => [fieldId(name), name]));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let offset = 0;
  const take = (count) => {
    if (count > bytes.length - offset) throw new Error("the answer ends early");
    offset += count;
    return offset - count;
  };
  const number = () => {
    let value = 0, scale = 1, byte;
    do {
      byte = bytes[take(1)];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte > 127 && scale < 2 ** 50);
    return value;
  };
  const type = () => {
    const value = number();
    return value >= 64 && value < 128 ? value - 128 : value;
  };
  if (text.decode(bytes.subarray(0, 4)) !== "DIDL") throw new Error("the answer is not Candid");
  take(4);
  const table = [];
  for (let count = number(); count > 0; count--) {
    const kind = type();
    if (kind === -18 || kind === -19) table.push({ kind, content: type() });
    else if (kind === -20 || kind === -21) {
      table.push({ kind, fields: Array.from({ length: number() }, () => [number(), type()]) });
    } else throw new Error("the answer has a type this page does not know");
  }
  const types = Array.from({ length: number() }, type);
  const readers = {
    [-1]: () => null, [-2]: () => bytes[take(1)] === 1, [-3]: number, [-5]: () => bytes[take(1)],
    [-6]: () => view.getUint16(take(2), true), [-7]: () => view.getUint32(take(4), true),
    [-8]: () => view.getBigUint64(take(8), true), [-11]: () => view.getInt32(take(4), true),
    [-13]: () => view.getFloat32(take(4), true), [-15]: () => {
      const count = number();
      const start = take(count);
      return text.decode(bytes.subarray(start, start + count));
    },
  };
  function value(type) {
    if (type < 0) {
      if (!readers[type]) throw new Error("the answer has a type this page does not know");
      return readers[type]();
    }
    const { kind, content, fields } = table[type];
    if (kind === -18) return bytes[take(1)] ? value(content) : null;
    if (kind === -19) {
      const count = number();
      if (content === -5) {
        const start = take(count);
        return bytes.slice(start, start + count);
      }
      return Array.from({ length: Math.min(count, bytes.length) }, () => value(content));
    }
    if (kind === -20) {
      const record = {};
      for (const [id, type] of fields) {
        const item = value(type);
        if (known.has(id)) record[known.get(id)] = item;
      }
      return record;
    }
    const [id, chosen] = fields[number()];
    return { [known.get(id) ?? id]: value(chosen) };
  }
  return value(types[0]);
}

// ---- The interface

const names = [
  "ok", "err", "top", "index", "label", "probability", "logit", "model_version", "model_sha256", "instructions",
  "model", "certificate", "witness", "version", "sha256", "size", "name", "input", "height", "width", "channels",
  "labels", "multiply_accumulates", "provenance", "activated_at", "not_authorized", "no_model", "bad_image",
  "wrong_size", "bad_model", "bad_request", "too_large", "expected", "found", "limit",
];

// What the canister's errors mean to a person.
function sentence(error) {
  const [[name, detail]] = Object.entries(error);
  return {
    not_authorized: "this canister answers only its readers",
    no_model: "no model has been activated in this canister yet",
    bad_image: `the picture cannot be read: ${detail}`,
    bad_model: `the stored model is damaged: ${detail}`,
    wrong_size: `the picture has ${detail?.found} bytes, the model takes ${detail?.expected}`,
    too_large: `the picture has ${detail?.found} bytes, at most ${detail?.limit} are possible`,
    bad_request: `the canister did not understand the question: ${detail}`,
  }[name] ?? `the canister refused (${name})`;
}

class Canister {
  constructor(name) {
    this.name = name;
    this.id = principal(name);
  }

  // An anonymous query: one node answers, nothing signs the question.
  async query(method, arg) {
    const content = {
      request_type: "query", sender: Uint8Array.of(4), canister_id: this.id, method_name: method, arg,
      ingress_expiry: BigInt(Date.now() + 120_000) * 1_000_000n,
    };
    const response = await fetch(`/api/v2/canister/${this.name}/query`, {
      method: "POST", headers: { "content-type": "application/cbor" },
      body: concat(Uint8Array.of(0xd9, 0xd9, 0xf7), cbor({ content })),
    });
    if (!response.ok) throw new Error(`the network answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
    const answer = fromCbor(new Uint8Array(await response.arrayBuffer()));
    if (answer.status !== "replied") throw new Error(`the canister rejected the call: ${answer.reject_message}`);
    const result = fromCandid(answer.reply.arg, names);
    if ("err" in result) throw new Error(sentence(result.err));
    return result.ok;
  }

  certifiedModel() { return this.query("certified_model", noArgument); }
  classify(image, classes) { return this.query("classify", classifyArgument(image, classes)); }

  // The key that a network which is not the Internet Computer tells of itself.
  async rootKey() {
    const response = await fetch("/api/v2/status");
    return fromCbor(new Uint8Array(await response.arrayBuffer())).root_key;
  }
}

// Hosts of the Internet Computer itself, whose root key is built in.
const isMainnet = () => /(^|\.)(icp0\.io|ic0\.app|icp\.net|internetcomputer\.org)$/.test(location.hostname);
