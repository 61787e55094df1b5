// The network in a thread of its own, so that the page stays responsive.
//
// Receives {image}, {estimate: color}, {restore: {color, level}} and {png: true}; sends {ready}, {failed}, {levels},
// {tile}, {done} and {png}.

import * as ort from "./onnxruntime/ort.wasm.min.mjs";
import { encodePng } from "./png.js";
import { estimatedLevels, restoredTiles } from "./restore.js";
import { continued } from "./transparent.js";

const MOST_THREADS = 8;

let image = null;
let result = null;
let settings = null;
const loaded = load();
loaded.then(
  () => postMessage({ ready: true, threads: ort.env.wasm.numThreads }),
  (error) => postMessage({ failed: `The model could not be loaded: ${said(error)}` }),
);

async function load() {
  settings = await (await fetch("./model.json")).json();
  ort.env.wasm.wasmPaths = new URL("./onnxruntime/", import.meta.url).href;
  // Threads share memory, which browsers allow to isolated pages alone.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  ort.env.logLevel = "error";
  return ort.InferenceSession.create("./model.onnx", { executionProviders: ["wasm"] });
}

async function network(channels, level, height, width) {
  const session = await loaded;
  const count = channels.length / (height * width);
  const inputs = { image: new ort.Tensor("float32", channels, [1, count, height, width]) };
  if (level !== null) {
    inputs.level = new ort.Tensor("float32", new Float32Array(height * width).fill(level / 255), [1, 1, height, width]);
  }
  const { restored } = await session.run(inputs);
  const values = restored.data;
  restored.dispose?.();
  return values;
}

async function restore({ color, level }) {
  const began = performance.now();
  let levels = null;
  if (settings.takes_level) levels = level === null ? estimatedLevels(image, settings, color) : [level, level, level];
  const restored = new Uint8ClampedArray(image.data.length);
  for await (const tile of restoredTiles(image, network, settings, color, levels)) {
    const wide = 4 * (tile.right - tile.left);
    for (let row = tile.top; row < tile.bottom; row++) {
      const from = (row - tile.top) * wide;
      restored.set(tile.pixels.subarray(from, from + wide), 4 * (row * image.width + tile.left));
    }
    const share = 1 - tile.left_over / (image.width * image.height);
    postMessage({ tile, share }, [tile.pixels.buffer]);
  }
  result = { data: restored, width: image.width, height: image.height };
  postMessage({ done: true, seconds: (performance.now() - began) / 1000, levels });
}

async function answer({ data }) {
  await loaded;
  if (data.image) [image, result] = [seen(data.image), null];
  if (data.estimate) postMessage({ levels: estimatedLevels(image, settings, data.estimate) });
  if (data.restore) await restore(data.restore);
  if (data.png) postMessage({ png: await encodePng(result, image.gray) });
}

// Return an image as the network sees it, beside its pixels as they are stored.
function seen(given) {
  return { ...given, stored: given.data, data: continued(given.data, given.width, given.height) };
}

function said(error) {
  return String(error?.message ?? error).split("\n")[0].slice(0, 300);
}

onmessage = (event) => answer(event).catch((error) => postMessage({ failed: said(error) }));
