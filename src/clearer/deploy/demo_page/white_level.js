// The noise level that a color network trained on white noise is told: clearer/noise/white_level.py, which explains it.

import { BLOCK, GROUPS, GROUP_BLOCKS } from "./level.js";
import { blockAt, blockBands, blockPlaces, clippedCount, estimateLevel, flatCount, mean, ramp } from "./level.js";

const RAISED = 4.0;
const [COARSE, SHARED] = [[2.0, 4.0], [2.5, 4.5]];
const LOUD = [4.0 / 255, 7.0 / 255];
const [EVEN, HEARD, QUIET] = [[0.55, 0.75], [2.5 / 255, 4.5 / 255], [1.5 / 255, 3.0 / 255]];
const TINTED = [0.15, 0.35];
const [TINY, FAINT] = [0.02 / 255 ** 2, 0.1 / 255 ** 2];

// Return the level in [0, 1] to tell the network of an image, raised up to `highest`.
// A plane is a function (row, column) => value in [0, 1].
export function whiteLevel(planes, height, width, highest) {
  const level = estimateLevel(planes, height, width);
  const places = Math.min(height, width) < BLOCK ? [] : blockPlaces(height, width);
  if (planes.length === 1 || places.length < GROUP_BLOCKS) return level;
  const found = evidence(places.map(([top, left]) => blockOf(planes, top, left)), planes.length, level);
  return Math.max(level, Math.min(highest, level * (1 + (RAISED - 1) * found)));
}

// Return the evidence that the noise is not white, 0 to 1.
function evidence(blocks, channels, level) {
  const varied = Array.from({ length: channels }, (_, k) => mean(blocks.map((block) => block.varied[k])));
  const [first, ...rest] = flattest(blocks, channels);
  if (first.length === 0 || varied.some((share) => share < 0.5)) return 0;
  const differences = rest.flat();
  const ratio = (groups, one, other) => Math.exp(mean(groups.map((g) => Math.log((g[one] + TINY) / (g[other] + TINY)))));
  const average = (groups, key) => mean(groups.map((group) => group[key]));
  const heard = Math.sqrt(average(differences, "middle"));
  const filling = ramp(ratio(differences, "middle", "nextMiddle"), EVEN) * ramp(heard, HEARD) * ramp(level, QUIET);
  const fineMean = (1 - logRamp(ratio(first, "middle", "high"), COARSE)) * ramp(level, LOUD);
  const untinted = 1 - ramp(average(differences, "tint"), TINTED);
  const coarse = logRamp(ratio(differences, "middle", "high"), COARSE) * Math.max(fineMean, filling) * untinted;
  const louder = average(first, "high") / (average(differences, "high") + FAINT);
  const shared = logRamp(louder, SHARED) * fineMean * ramp(ratio(first, "high", "nextHigh"), EVEN);
  return Math.max(coarse, shared);
}

// Return what the flattest blocks of each group of equal brightness hold, by plane: the mean of the channels, then
// their differences. Groups with too few blocks that are not clipped are left out.
function flattest(blocks, channels) {
  const groups = Math.max(1, Math.min(GROUPS, Math.floor(blocks.length / GROUP_BLOCKS)));
  const size = Math.floor(blocks.length / groups);
  const count = flatCount(size);
  const number = Math.min(size, 3 * count);
  const ordered = blocks.sort((a, b) => a.brightness - b.brightness);
  const known = Array.from({ length: groups }, (_, k) => ordered.slice(k * size, (k + 1) * size))
    .map((group) => group.filter((block) => !block.clipped))
    .filter((group) => group.length >= number);
  return Array.from({ length: channels }, (_, plane) =>
    known.map((group) => {
      const flat = group.sort((a, b) => a.energies[plane].choosing - b.energies[plane].choosing).slice(0, number);
      const [near, next] = [flat.slice(0, count), flat.slice(Math.min(2 * count, number - 1))];
      const average = (part, key) => mean(part.map(({ energies }) => energies[plane][key]));
      const brightness = mean(near.map(({ energies }) => energies[0].middle));
      const [high, middle] = [average(near, "highest"), average(near, "middle")];
      const tint = average(near, "cross") ** 2 / (brightness * middle + TINY ** 2);
      return { high, middle, tint, nextHigh: average(next, "highest"), nextMiddle: average(next, "middle") };
    }),
  );
}

// Return the brightness of a block, its energies in each plane of `basis`, and in which channels it varies.
function blockOf(planes, top, left) {
  const channels = planes.map((plane) => blockAt(plane, top, left));
  const bands = channels.map(blockBands);
  const values = channels.flat();
  const mixed = basis(planes.length).map((weights) =>
    bands[0].map((set, s) => set.map((_, k) => weights.reduce((sum, weight, c) => sum + weight * bands[c][s][k], 0))),
  );
  const energy = (set) => mean(set.map((value) => value ** 2));
  const energies = mixed.map(([highest, choosing, middle]) => ({
    highest: energy(highest),
    choosing: energy(choosing),
    middle: energy(middle),
    cross: mean(middle.map((value, k) => value * mixed[0][2][k])),
  }));
  return {
    energies,
    brightness: mean(values),
    clipped: clippedCount(values) > values.length / 2,
    varied: channels.map((block) => (Math.max(...block) > Math.min(...block) ? 1 : 0)),
  };
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
