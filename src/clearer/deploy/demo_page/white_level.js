// The noise level that a network trained on white noise is told: clearer/noise/white_level.py, which explains it.

import { BLOCK, CLIPPED, GROUPS, GROUP_BLOCKS } from "./level.js";
import { blockAt, blockBands, blockPlaces, clippedCount, estimateLevel, flatCount, mean, ramp } from "./level.js";

const [RAISED, RAISED_GRAY, HIGHEST] = [4.0, 3.0, 80 / 255];
const [COARSE, COARSE_GRAY, SHARED] = [[2.0, 4.0], [3.0, 6.0], [2.5, 4.5]];
const LOUD = [4.0 / 255, 7.0 / 255];
const [EVEN, HEARD] = [[0.55, 0.75], [2.5 / 255, 4.5 / 255]];
const [TINY, FAINT] = [0.02 / 255 ** 2, 0.1 / 255 ** 2];

// Return the level in [0, 1] to tell the network of an image. A plane is a function (row, column) => value in [0, 1].
export function whiteLevel(planes, height, width) {
  const level = estimateLevel(planes, height, width);
  const places = Math.min(height, width) < BLOCK ? [] : blockPlaces(height, width);
  if (places.length < GROUP_BLOCKS) return level;
  const [base, evidence] = seen(places.map(([top, left]) => blockOf(planes, top, left)), planes.length, level);
  const raised = (planes.length > 1 ? RAISED : RAISED_GRAY) * base;
  return Math.max(level, Math.min(HIGHEST, level + evidence * (raised - level)));
}

// Return the level of the noise, and the evidence that it is not white.
function seen(blocks, channels, level) {
  const flat = flattest(blocks, channels);
  const differences = channels > 1 ? flat.slice(1) : flat; // where noise is looked for
  const all = differences.flat();
  const coarse = (groups) => Math.exp(mean(groups.map(({ high, mid }) => Math.log((mid + TINY) / (high + TINY)))));
  const even = Math.exp(mean(all.map(({ mid, next }) => Math.log((mid + TINY) / (next + TINY)))));
  const [evidence, loud] = [logRamp(coarse(all), channels > 1 ? COARSE : COARSE_GRAY), ramp(level, LOUD)];
  if (channels === 1) return [level, evidence * loud * ramp(even, EVEN)];
  const shared = mean(flat[0].map(({ high }) => high)) / (mean(all.map(({ high }) => high)) + FAINT);
  const heard = Math.sqrt(mean(all.map(({ mid }) => mid)));
  const fine = 1 - logRamp(coarse(flat[0]), COARSE);
  const sure = ramp(even, EVEN) * ramp(heard, HEARD);
  const share = Math.sqrt((channels - 1) / channels);
  const found = Math.max(evidence * Math.max(fine * loud, sure), fine * loud * logRamp(shared, SHARED));
  return [Math.max(level, share * heard * sure), found];
}

// Return energies of the flattest blocks of each group of equal brightness, by plane: the mean of the channels, then
// their differences.
function flattest(blocks, channels) {
  const groups = Math.max(1, Math.min(GROUPS, Math.floor(blocks.length / GROUP_BLOCKS)));
  const size = Math.floor(blocks.length / groups);
  const ordered = blocks.sort((a, b) => a.brightness - b.brightness);
  const count = flatCount(size);
  return Array.from({ length: channels }, (_, plane) =>
    Array.from({ length: groups }, (_, k) => {
      const group = ordered.slice(k * size, (k + 1) * size).map(({ energies }) => energies[plane]);
      const flat = group.sort((a, b) => a.choosing - b.choosing).slice(0, 3 * count);
      return {
        high: mean(flat.slice(0, count).map(({ highest }) => highest)),
        mid: mean(flat.slice(0, count).map(({ middle }) => middle)),
        next: mean(flat.slice(Math.min(2 * count, flat.length - 1)).map(({ middle }) => middle)),
      };
    }),
  );
}

// Return the brightness of a block, and its energies in each plane of `basis`.
function blockOf(planes, top, left) {
  const channels = planes.map((plane) => blockAt(plane, top, left));
  const bands = channels.map(blockBands);
  const values = channels.flat();
  const clipped = clippedCount(values) > values.length / 2 ? CLIPPED : 0;
  const energies = basis(planes.length).map((weights) => {
    const mixed = (set, k) => weights.reduce((sum, weight, channel) => sum + weight * bands[channel][set][k], 0);
    const energy = (set) => mean(bands[0][set].map((_, k) => mixed(set, k) ** 2));
    return { highest: energy(0), choosing: energy(1) + clipped, middle: energy(2) };
  });
  return { energies, brightness: mean(values) };
}

// Return an orthonormal basis of the channels: their mean, then differences.
function basis(channels) {
  const rows = [Array(channels).fill(1 / Math.sqrt(channels))];
  for (let k = 1; k < channels; k++) {
    const one = 1 / Math.sqrt(k * (k + 1));
    rows.push([...Array(k).fill(one), -k * one, ...Array(channels - k - 1).fill(0)]);
  }
  return rows;
}

function logRamp(value, [from, to]) {
  return Math.min(1, Math.max(0, Math.log(Math.max(value, 1e-9) / from) / Math.log(to / from)));
}
