// The page: the controls, the image before and after, and the worker that restores.

import { decoded } from "./decode.js";
import { isGray } from "./restore.js";

const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((one) => [one.id, one]));
const contexts = { before: part.before.getContext("2d"), after: part.after.getContext("2d") };
const settings = await (await fetch("./model.json")).json();

let worker = null;
let ready = false;
let image = null; // {data, width, height, gray, name}
let taken = 0; // number of files chosen; the last one counts, whichever is decoded first
let level = 0; // in gray levels: estimated, which may exceed the slider, or set with it
let restoring = 0; // when it began; 0: not now

part.unserved.hidden = true;
part.desk.hidden = false;
part.about.textContent = `Model ${settings.name}. ${settings.about}`;
document.title = `Restore an image: ${settings.name}`;
start();

// Start the worker. One that is at work is ended: nothing else stops a run of the network.
function start() {
  worker?.terminate();
  [ready, restoring] = [false, 0];
  worker = new Worker("./worker.js", { type: "module" });
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = (event) => problem(`The model could not be started: ${event.message ?? "unknown error"}`);
  if (image !== null) send();
  show();
}

function send() {
  worker.postMessage({ image: { data: image.data, width: image.width, height: image.height, gray: image.gray } });
  if (settings.takes_level && part.estimate.checked) worker.postMessage({ estimate: part.color.value });
}

function hear(said) {
  if (said.ready) {
    ready = true;
    document.body.dataset.threads = said.threads;
    if (image === null) tell("Ready. Choose an image.");
    else tell(`${size()}. Press Restore.`);
  }
  if (said.levels) showLevel(said.levels);
  if (said.tile) showTile(said.tile, said.share);
  if (said.done) finish(said);
  if (said.png) save(said.png);
  if (said.failed) {
    restoring = 0;
    problem(said.failed);
  }
  show();
}

async function take(file) {
  if (!file) return;
  if (restoring) start();
  const number = ++taken;
  const found = await decoded(file).catch(() => null);
  if (number !== taken) {
    found?.bitmap.close();
    return;
  }
  image = found?.data ? { ...found, name: file.name } : null;
  if (image !== null) draw(found.bitmap);
  found?.bitmap.close();
  part.transparent.hidden = image === null || image.exact;
  if (image === null) {
    if (restoring) start(); // of the image before
    part.stage.hidden = true;
    part.download.hidden = true;
    show();
    if (found) problem(`${file.name}: too large for this browser (${found.width} × ${found.height}).`);
    else problem(`${file.name}: this browser cannot read it as an image. Save it as JPEG or PNG.`);
    return;
  }
  part["color-controls"].hidden = settings.channels !== 1 || isGray(image);
  part.stage.hidden = false;
  part.download.hidden = true;
  if (restoring) start(); // the image before, whose button was pressed meanwhile; this sends the new one, too
  else send();
  tell(ready ? `${size()}. Press Restore.` : "Loading the model …");
  show();
}

// Draw an image into both canvases.
function draw(bitmap) {
  for (const context of Object.values(contexts)) {
    Object.assign(context.canvas, { width: bitmap.width, height: bitmap.height });
    context.drawImage(bitmap, 0, 0);
  }
}

function restore() {
  contexts.after.putImageData(new ImageData(image.data, image.width, image.height), 0, 0);
  restoring = performance.now();
  part.progress.value = 0;
  tell("Restoring …");
  const stated = settings.takes_level && !part.estimate.checked ? level : null;
  worker.postMessage({ restore: { color: part.color.value, level: stated } });
  part.download.hidden = true;
  show();
}

function showTile(tile, share) {
  const wide = tile.right - tile.left;
  contexts.after.putImageData(new ImageData(tile.pixels, wide, tile.bottom - tile.top), tile.left, tile.top);
  part.progress.value = share;
  const left = ((performance.now() - restoring) / 1000) * (1 / share - 1);
  tell(`Restoring: ${Math.floor(100 * share)} %, about ${duration(left)} left`);
}

function finish({ seconds, levels }) {
  restoring = 0;
  if (levels && part.estimate.checked) showLevel(levels);
  const how = part.estimate.checked ? " (estimated)" : "";
  const told = settings.takes_level ? `, noise level ${level.toFixed(1)}${how}` : "";
  tell(`${size()}, restored in ${duration(seconds)}${told}. Move the handle to compare.`);
  part.download.hidden = false;
}

function showLevel(levels) {
  if (!part.estimate.checked) return;
  level = Math.sqrt(levels.reduce((sum, one) => sum + one ** 2, 0) / levels.length);
  part.level.value = level;
  show();
}

function save(png) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(png);
  link.download = `${image.name.replace(/\.[^.]*$/, "")}-restored.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Bring the controls in line with the state.
function show() {
  part["level-controls"].hidden = !settings.takes_level;
  part["level-value"].textContent = image === null && part.estimate.checked ? "" : level.toFixed(1);
  part.restore.disabled = !ready || image === null || restoring > 0;
  part.stop.hidden = part.progress.hidden = restoring === 0;
  for (const one of [part.estimate, part.level, part.color]) one.disabled = restoring > 0;
}

function tell(text) {
  part.status.className = "";
  part.status.textContent = text;
}

function problem(text) {
  part.status.className = "problem";
  part.status.textContent = text;
}

function size() {
  return `${image.width} × ${image.height}`;
}

function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

part.file.addEventListener("change", () => {
  take(part.file.files[0]);
  part.file.value = ""; // so that the same file can be chosen again
});
part.restore.addEventListener("click", restore);
part.stop.addEventListener("click", () => {
  start();
  tell("Stopped. Loading the model …");
});
part.download.addEventListener("click", () => worker.postMessage({ png: true }));
part.level.addEventListener("input", () => {
  part.estimate.checked = false;
  level = Number(part.level.value);
  show();
});
for (const one of [part.estimate, part.color]) {
  one.addEventListener("change", () => {
    if (image !== null && settings.takes_level && part.estimate.checked) worker.postMessage({ estimate: part.color.value });
    show();
  });
}

part.split.addEventListener("input", () => part.images.style.setProperty("--split", `${part.split.value}%`));
part.full.addEventListener("change", () => part.scroll.classList.toggle("full", part.full.checked));
for (const kind of ["pointerdown", "pointermove"]) {
  part.images.addEventListener(kind, (event) => {
    if (part.full.checked || !(event.buttons & 1)) return;
    const box = part.images.getBoundingClientRect();
    part.split.value = Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width));
    part.split.dispatchEvent(new Event("input"));
  });
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    part.drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
