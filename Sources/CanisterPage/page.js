// The page: a picture goes to the canister and to the same code on this device; both answers are shown and compared.
"use strict";

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
const bytesText = (size) => (size < 1e6 ? `${number(Number(size))} bytes` : `${(Number(size) / 1e6).toFixed(1)} MB`);
const SHOWN = 5;
// A larger model is not downloaded without being asked for.
const UNASKED_BYTES = 16 << 20;
// What a browser can hold twice, as a file and with its weights unpacked.
const DEVICE_BYTES = 512 << 20;
const PNG_BYTES = 1_900_000;
const PNG_SIDE = 2048;

// What the page knows; `model` as the canister tells it, `proven` as its subnet certified it.
const state = { canister: null, device: null, model: null, proven: null, ready: false, turn: 0 };

// ---- Showing

function prove(kind, words, fact) {
  const item = document.createElement("li");
  item.dataset.state = kind;
  const line = document.createElement("span");
  line.append(words);
  if (fact) {
    const code = document.createElement("code");
    code.textContent = fact;
    line.append(" ", code);
  }
  item.append(line);
  $("proof").append(item);
}

function facts(place, words, isTrouble = false) {
  const line = $(place).querySelector(".facts");
  line.textContent = words;
  line.classList.toggle("alert", isTrouble);
}

function verdict(kind, words) {
  $("verdict").dataset.state = kind;
  $("verdict").textContent = words;
}

function show(place, answer) {
  $(place).querySelector(".best").textContent = answer ? state.model.labels[answer[0].index] : "–";
  $(place).querySelector(".bars").replaceChildren(
    ...(answer ?? []).slice(0, SHOWN).map(({ index, probability }) => {
      const item = document.createElement("li");
      const label = document.createElement("span");
      label.className = "label";
      label.textContent = state.model.labels[index];
      const share = document.createElement("span");
      share.className = "share";
      share.textContent = percent(probability);
      const bar = document.createElement("div");
      bar.className = "bar";
      bar.append(document.createElement("i"));
      bar.firstChild.style.width = `${100 * probability}%`;
      item.append(label, share, bar);
      return item;
    }));
}

function showCard(model) {
  const rows = [];
  const row = (term, words, isCode = false) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = term;
    dd.textContent = words;
    if (isCode) dd.className = "mono";
    rows.push(dt, dd);
  };
  $("name").textContent = model.name || "Image classifier";
  document.title = `${model.name || "Model"} – image classifier`;
  row("Version", `${model.version}, active since ${new Date(Number(model.activated_at / 1_000_000n)).toLocaleString()}`);
  row("SHA-256", hex(model.sha256), true);
  row("Size", bytesText(model.size));
  const { height, width, channels } = model.input;
  row("Sees", `${width} × ${height} pixels, ${channels === 1 ? "grey" : "colour"}`);
  row("Work", `${number(model.multiply_accumulates)} multiply-accumulates a picture, all in integers`);
  row("Answers", model.labels.join(", "));
  let record = null;
  try { record = JSON.parse(model.provenance); } catch { /* shown as it is */ }
  const accuracy = record?.accuracy;
  if (typeof accuracy?.int8Accuracy === "number") {
    row("Accuracy", `${percent(accuracy.int8Accuracy)} of ${number(accuracy.images)} ${accuracy.split} pictures, as its maker recorded`
      + (typeof accuracy.floatAccuracy === "number" ? ` (${percent(accuracy.floatAccuracy)} before quantisation)` : ""));
  }
  if (record?.dataset?.name) row("Trained on", `${record.dataset.name}, ${number(record.dataset.trainImages ?? 0)} pictures`);
  if (record?.toolkit) row("Made with", record.toolkit);
  $("card").replaceChildren(...rows);
  if (model.provenance) {
    $("provenance").hidden = false;
    $("provenance").querySelector("pre").textContent = record ? JSON.stringify(record, null, 2) : model.provenance;
  }
}

// ---- Starting: the card, its proof, the model file

function trouble(words) {
  $("trouble").hidden = false;
  $("trouble").textContent = words;
}

function refuse(words) {
  state.ready = false;
  trouble(`This model was refused: ${words}. Nothing runs on this device, so answers on chain cannot be compared.`);
  facts("device", "Refused.", true);
}

async function start() {
  const name = await ownPrincipal();
  $("canister").textContent = name;
  state.canister = new Canister(name);
  const [told, device] = await Promise.all([state.canister.certifiedModel(), Device.start().catch((error) => error)]);
  state.model = told.model;
  showCard(told.model);
  fitCanvas();
  if (device instanceof Error) {
    prove("no", `Nothing could be checked, because this browser cannot run the canister's code (${device.message}).`);
    return facts("device", "This browser cannot run the model.", true);
  }
  state.device = device;
  const rootKey = isMainnet() ? null : await state.canister.rootKey();
  try {
    state.proven = device.prove(told, state.canister.id, rootKey, Date.now());
    if (!sameBytes(state.proven.sha256, told.model.sha256) || state.proven.version !== told.model.version) {
      throw new Error("the card names another model than the certificate");
    }
  } catch (error) {
    state.proven = null;
    prove("no", "The certificate does not prove what the canister tells.");
    return refuse(error.message);
  }
  prove("yes", rootKey
    ? "The subnet's signature on the certificate (BLS12-381) was checked here, on this device, with the key that this local network tells of itself."
    : "The subnet's signature on the certificate (BLS12-381) was checked here, on this device, with the root key of the Internet Computer.");
  prove("yes", `Certified ${state.proven.time.toLocaleTimeString()}: version ${state.proven.version}, its provenance, and that the file has SHA-256`,
    hex(state.proven.sha256));
  if (told.model.size > DEVICE_BYTES) {
    facts("device", `With ${bytesText(told.model.size)} this model is too large for a browser.`);
  } else if (told.model.size > UNASKED_BYTES) {
    facts("device", "A large model: it is downloaded when you ask for it.");
    $("load").hidden = false;
    $("load").textContent = `Download ${bytesText(told.model.size)}`;
  } else {
    await loadModel();
  }
}

async function loadModel() {
  $("load").hidden = true;
  facts("device", `Downloading the model, ${bytesText(state.model.size)}…`);
  let file;
  try {
    const response = await fetch("model.deai", { cache: "no-store" });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    file = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    $("load").hidden = false;
    $("load").textContent = "Try again";
    return facts("device", `The model could not be downloaded (${error.message}).`, true);
  }
  try {
    state.device.load(file);
  } catch (error) {
    prove("no", "The model file that this device downloaded is another one.");
    return refuse(error.message);
  }
  state.ready = true;
  prove("yes", `The model file that this device downloaded, ${bytesText(file.length)}, has that SHA-256. It runs in the canister's own code, compiled for the browser.`);
  prove("note", "Answers on chain are queries: one node of the subnet gives them. The same integers here show that it computed them right.");
  facts("device", "Ready.");
  if (picture) classify(picture);
}

// ---- Classifying

let picture = null;

async function classify(png) {
  picture = png;
  if (!state.model) return;
  const turn = ++state.turn;
  const isCurrent = () => turn === state.turn;
  let here = null, pixels = null;
  if (state.ready) {
    try {
      pixels = state.device.pixels(png.bytes);
      const begin = performance.now();
      here = state.device.classify(pixels);
      const time = performance.now() - begin;
      showSeen(pixels);
      show("device", here);
      facts("device", `${time < 10 ? time.toFixed(1) : Math.round(time)} ms, nothing sent`);
    } catch (error) {
      show("device", null);
      facts("device", `The picture cannot be read: ${error.message}.`, true);
    }
  }
  // A drawing goes as the pixels that the model sees; a file as it is.
  const image = png.isDrawing && pixels ? { pixels } : { png: png.bytes };
  let there = null;
  try {
    const begin = performance.now();
    const answer = await state.canister.classify(image, state.model.labels.length);
    const time = performance.now() - begin;
    if (!isCurrent()) return;
    there = answer.top;
    show("chain", there);
    facts("chain", `${number(answer.instructions)} instructions, ${Math.round(time)} ms, `
      + `${"pixels" in image ? `${number(image.pixels.length)} pixels` : `a PNG of ${number(image.png.length)} bytes`} sent`);
    if (state.proven && !sameBytes(answer.model_sha256, state.proven.sha256)) {
      return verdict("different", "The canister answered with another model than the certified one. Another version may have been activated: load this page again.");
    }
  } catch (error) {
    if (!isCurrent()) return;
    show("chain", null);
    facts("chain", `No answer: ${error.message}.`, true);
  }
  if (here && there) {
    const isEqual = here.length === there.length && here.every(({ index, logit, probability }, i) =>
      index === there[i].index && logit === there[i].logit && probability === there[i].probability);
    verdict(isEqual ? "equal" : "different", isEqual
      ? `Equal: the canister and this device computed the same ${here.length} integers.`
      : "Different: the canister and this device do not agree.");
  } else {
    verdict("waiting", there ? "Answered by the canister alone." : "No answer to compare.");
  }
}

function showSeen(pixels) {
  const { height, width, channels } = state.model.input;
  const seen = $("seen");
  [seen.width, seen.height] = [width, height];
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels * i + (channels === 1 ? 0 : c)];
    image.data[4 * i + 3] = 255;
  }
  seen.getContext("2d").putImageData(image, 0, 0);
}

// ---- Drawing and files

const canvas = $("canvas");
const pen = canvas.getContext("2d");
let stroke = null;

function clear() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  $("hint").hidden = false;
  picture = null;
  state.turn++;
  for (const place of ["chain", "device"]) show(place, null);
  facts("chain", "");
  if (state.ready) facts("device", "Ready.");
  verdict("waiting", "Draw something, or drop a picture of what this model knows.");
}

// The canvas has the shape of what the model sees.
function fitCanvas() {
  const { height, width } = state.model.input;
  if (height !== width) [canvas.width, canvas.height] = [280, Math.max(1, Math.round((280 * height) / width))];
  clear();
}

async function canvasPNG(source) {
  const blob = await new Promise((resolve) => source.toBlob(resolve, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
}

function point(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  $("hint").hidden = true;
  stroke = point(event);
  draw(stroke);
});
canvas.addEventListener("pointermove", (event) => { if (stroke) draw(point(event)); });
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, async () => {
    if (!stroke) return;
    stroke = null;
    classify({ bytes: await canvasPNG(canvas), isDrawing: true });
  });
}

function draw(to) {
  [pen.strokeStyle, pen.lineWidth, pen.lineCap, pen.lineJoin] = ["#fff", canvas.width / 13, "round", "round"];
  pen.beginPath();
  pen.moveTo(...stroke);
  pen.lineTo(...to);
  pen.stroke();
  stroke = to;
}

// Shows a picture file and classifies it: a PNG that the canister takes goes there byte for byte, anything else as a PNG
// of at most 512 pixels a side.
async function open(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return verdict("different", `${file.name || "This"} is not a picture that this browser can read.`);
  }
  let bytes = new Uint8Array(await file.arrayBuffer());
  const isPNG = sameBytes(bytes.subarray(0, 8), Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10));
  if (!isPNG || bytes.length > PNG_BYTES || Math.max(image.width, image.height) > PNG_SIDE) {
    const scale = Math.min(1, 512 / Math.max(image.width, image.height));
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
    copy.getContext("2d").drawImage(image, 0, 0, copy.width, copy.height);
    bytes = await canvasPNG(copy);
  }
  clear();
  $("hint").hidden = true;
  const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  pen.imageSmoothingEnabled = scale < 2;
  pen.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  await classify({ bytes, isDrawing: false });
}

$("clear").addEventListener("click", clear);
$("open").addEventListener("click", () => $("file").click());
$("load").addEventListener("click", loadModel);
$("file").addEventListener("change", () => {
  if ($("file").files[0]) open($("file").files[0]);
  $("file").value = "";
});
canvas.addEventListener("keydown", (event) => { if (event.key === "Enter") $("file").click(); });
addEventListener("paste", (event) => { if (event.clipboardData.files[0]) open(event.clipboardData.files[0]); });
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});

clear();
start().catch((error) => {
  trouble(`This page could not start: ${error.message}.`);
  facts("device", "");
});
