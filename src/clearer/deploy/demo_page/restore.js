// Restore an image of 8 bits tile by tile, as clearer/inference/color.py treats its channels.

import { estimateLevel } from "./level.js";
import { cut, halves, seenBy, shapeWithin } from "./tiles.js";
import { whiteLevel } from "./white_level.js";

const LUMA = [0.299, 0.587, 0.114].map(Math.fround); // BT.601

// Return whether R, G and B are equal in all pixels that are seen.
export function isGray({ data }) {
  for (let k = 0; k < data.length; k += 4) {
    if (data[k + 3] === 0) continue;
    if (data[k] !== data[k + 1] || data[k] !== data[k + 2]) return false;
  }
  return true;
}

// Return the runs of the network for an image. Each maps four bytes of a pixel to the network's channels, and the
// bytes and the restored channels back to R, G and B in [0, 1].
function runsOf(image, settings, color) {
  const one = (index) => [(data, k) => data[k + index] / 255];
  if (settings.channels === 3) {
    const back = (data, k, y) => (image.gray ? Array(3).fill((y[0] + y[1] + y[2]) / 3) : y);
    return [{ read: [0, 1, 2].flatMap(one), back }];
  }
  if (isGray(image)) return [{ read: one(0), back: (data, k, y) => [y[0], y[0], y[0]] }];
  if (color === "channels") {
    return [0, 1, 2].map((index) => ({ read: one(index), back: (data, k, y) => [0, 1, 2].map((i) => (i === index ? y[0] : null)) }));
  }
  const luma = (data, k) => (LUMA[0] * data[k] + LUMA[1] * data[k + 1] + LUMA[2] * data[k + 2]) / 255;
  const changed = (data, k, y) => [0, 1, 2].map((index) => data[k + index] / 255 + y[0] - luma(data, k));
  return [{ read: [luma], back: changed }];
}

// Return the noise level in gray levels of each run of the network, estimated from the image.
export function estimatedLevels(image, settings, color) {
  const { data, width, height } = image;
  const highest = settings.raised_up_to;
  return runsOf(image, settings, color).map(({ read }) => {
    const planes = read.map((channel) => (row, column) => channel(data, 4 * (row * width + column)));
    if (highest === null) return 255 * estimateLevel(planes, height, width);
    return 255 * whiteLevel(planes, height, width, highest / 255);
  });
}

// Restore an image and yield each tile with its pixels (RGBA, alpha as it was).
//
// image: {data, width, height, gray, stored}, RGBA of 8 bits: as the network sees it, see transparent.js; gray: whether
//   the file stores one channel; stored: RGBA of the file, whose colors stay where alpha is 0; by default data.
// network: async (channels, level, height, width) => restored channels, both Float32Array (C, H, W) in [0, 1]; level
//   in gray levels, or null.
// settings: of the model, see demo.py.
// levels: in gray levels, one a run; null for a model that takes none.
export async function* restoredTiles(image, network, settings, color, levels) {
  const { width, height } = image;
  const { overlap, multiple } = settings;
  const { rows, columns } = shapeWithin(height, width, settings.pixels, overlap, multiple);
  const waiting = cut(height, width, rows, columns);
  const runs = runsOf(image, settings, color);
  while (waiting.length) {
    const tile = waiting.shift();
    const seen = seenBy(tile, height, width, overlap, multiple);
    let pixels;
    try {
      pixels = await restoredTile(image, network, runs, levels, tile, seen);
    } catch (error) {
      const smaller = isOutOfMemory(error) ? halves(tile) : null;
      if (smaller === null) throw error;
      waiting.splice(0, waiting.length, ...[tile, ...waiting].flatMap((one) => halves(one) ?? [one]));
      continue;
    }
    yield { ...tile, pixels, left_over: waiting.reduce((sum, one) => sum + area(one), 0) };
  }
}

async function restoredTile(image, network, runs, levels, tile, seen) {
  const [tall, wide] = [tile.bottom - tile.top, tile.right - tile.left];
  const pixels = new Uint8ClampedArray(4 * tall * wide);
  const stored = image.stored ?? image.data;
  for (const [number, { read, back }] of runs.entries()) {
    const y = (await network(channelsOf(image, read, seen), levels?.[number] ?? null, ...sides(seen))).map(withinRange);
    const plane = area(seen);
    for (let row = 0; row < tall; row++) {
      for (let column = 0; column < wide; column++) {
        const from = 4 * ((tile.top + row) * image.width + tile.left + column);
        const at = (tile.top - seen.top + row) * (seen.right - seen.left) + tile.left - seen.left + column;
        const to = 4 * (row * wide + column);
        pixels[to + 3] = stored[from + 3];
        if (pixels[to + 3] === 0) {
          pixels.set(stored.subarray(from, from + 3), to);
          continue;
        }
        const color = back(image.data, from, read.map((_, channel) => y[channel * plane + at]));
        for (let index = 0; index < 3; index++) {
          if (color[index] !== null) pixels[to + index] = 255 * color[index]; // clamped and rounded by the array
        }
      }
    }
  }
  return pixels;
}

function channelsOf({ data, width }, read, part) {
  const [height, columns] = sides(part);
  const channels = new Float32Array(read.length * height * columns);
  let at = 0;
  for (const channel of read) {
    for (let row = part.top; row < part.bottom; row++) {
      for (let column = part.left; column < part.right; column++) channels[at++] = channel(data, 4 * (row * width + column));
    }
  }
  return channels;
}

// Return a value as inference/batches.py gives it on: the luma of a pixel must not leave [0, 1] before color is added.
function withinRange(value) {
  return Math.min(Math.max(value, 0), 1);
}

function isOutOfMemory(error) {
  return error instanceof RangeError || /memory|alloc/i.test(String(error?.message ?? error));
}

function sides({ top, bottom, left, right }) {
  return [bottom - top, right - left];
}

function area(part) {
  return sides(part)[0] * sides(part)[1];
}
