// The model on this device: browser.wasm, the canister's own Swift sources, in a page.
"use strict";

const clause = new TextDecoder();

class Device {
  static async start() {
    const device = new Device();
    const { instance } = await WebAssembly.instantiateStreaming(fetch("./browser.wasm"), {});
    device.wasm = instance.exports;
    return device;
  }

  #place(bytes) {
    const address = this.wasm.allocate(bytes.length);
    new Uint8Array(this.wasm.memory.buffer).set(bytes, address >>> 0);
    return [address, bytes.length];
  }

  // Runs an export on bytes: what it leaves, or an error with the clause it leaves.
  #run(name, bytes, ...more) {
    const status = this.wasm[name](...this.#place(bytes), ...more);
    const start = this.wasm.result_address() >>> 0;
    const result = new Uint8Array(this.wasm.memory.buffer).slice(start, start + this.wasm.result_size());
    if (status !== 0) throw new Error(clause.decode(result));
    return result;
  }

  // Checks signature, age and contents of a certificate; tells what the subnet has certified. Without a root key it is
  // that of the Internet Computer.
  prove({ certificate, witness, model }, canister, rootKey, now) {
    const parts = [certificate, witness, canister, rootKey ?? new Uint8Array(), new TextEncoder().encode(model.provenance)];
    const argument = concat(...parts.flatMap((part) => [new Uint8Array(Uint32Array.of(part.length).buffer), part]));
    const view = new DataView(this.#run("prove", argument, BigInt(now) * 1_000_000n).buffer);
    return {
      time: new Date(Number(view.getBigUint64(0, true) / 1_000_000n)), version: view.getBigUint64(8, true),
      sha256: new Uint8Array(view.buffer, 16),
    };
  }

  // Takes the model file if it is the certified one.
  load(file) { this.#run("load", file); }

  // What the model sees of a PNG.
  pixels(png) { return this.#run("pixels_of_png", png); }

  // All classes, best first.
  classify(pixels) {
    const view = new DataView(this.#run("classify", pixels).buffer);
    return Array.from({ length: view.byteLength / 12 }, (_, i) => ({
      index: view.getUint32(12 * i, true), logit: view.getInt32(12 * i + 4, true),
      probability: view.getFloat32(12 * i + 8, true),
    }));
  }

  // Logits of many pictures, as little-endian 32-bit integers.
  logits(pixels) { return this.#run("logits", pixels); }
}
