// The noise level of an image, estimated from the image alone: clearer/noise/level.py, which explains the method.

export const BLOCK = 8;
const MOST_BLOCKS = 2304;
export const [GROUPS, GROUP_BLOCKS, FEWEST] = [4, 36, 6];
const FLAT = 0.1;
const LEAK = 0.07;
const [ALIKE, ALIKE_SMALL, SMALL] = [[0.65, 0.9], [1.0, 1.3], 128 * 128];
const COLORED = [2.0, 3.2];
const [CONTENT, ABOVE] = [[1.3, 1.6], [6.0, 9.0]];
const DARK = 1 / 255;
const [SPREAD, EVEN, TINY, EMPTY] = [2.0, 1.5, 1e-9, 1e-9];
const CLIPPED = 1e6;

// Return the level in [0, 1] of an image: the root of the mean variance of its planes that have noise.
// A plane is a function (row, column) => value in [0, 1].
export function estimateLevel(planes, height, width) {
  const variance = Math.min(height, width) < BLOCK ? smallVariance : blockVariance;
  const found = planes.map((plane) => variance(plane, height, width));
  const noisy = found.filter((value) => value > EMPTY).length;
  return Math.sqrt(found.reduce((sum, value) => sum + value, 0) / Math.max(1, noisy));
}

// Return half the mean square of the differences of neighbors.
function smallVariance(plane, height, width) {
  let [sum, count] = [0, 1]; // one more number, for images of a pixel
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (row + 1 < height) [sum, count] = [sum + (plane(row + 1, column) - plane(row, column)) ** 2, count + 1];
      if (column + 1 < width) [sum, count] = [sum + (plane(row, column + 1) - plane(row, column)) ** 2, count + 1];
    }
  }
  return sum / count / 2;
}

function blockVariance(plane, height, width) {
  const blocks = energies(plane, height, width).sort((a, b) => a.brightness - b.brightness);
  const groups = Math.max(1, Math.min(GROUPS, Math.floor(blocks.length / GROUP_BLOCKS)));
  const size = Math.floor(blocks.length / groups);
  const found = Array.from({ length: groups }, (_, k) => readGroup(blocks.slice(k * size, (k + 1) * size)));
  const quietest = Math.min(...found.map((group) => group.mid));
  const none = { mid: Infinity, light: 1 };
  const calm = found.filter((group) => group.open > 0).reduce((a, b) => (b.mid < a.mid ? b : a), none);
  const ends = height * width <= SMALL ? ALIKE_SMALL : ALIKE;
  let [sum, weights] = [0, 0];
  for (const { high, mid, next, open, light } of found) {
    const white = Math.max(0, high - LEAK * Math.max(0, mid - high));
    const ratio = (mid + TINY) / (high + TINY);
    const alike = ramp((mid + TINY) / (next + TINY), ends) * ramp(ratio, COLORED);
    const variance = white + alike * Math.max(0, Math.min(mid, SPREAD * quietest) - white);
    const allowed = (calm.mid + TINY) * Math.max(1, light / calm.light);
    const content = ramp(ratio, CONTENT) * ramp((variance + TINY) / allowed, ABOVE);
    const weight = Math.max(ratio, EVEN) ** -4 * open * (1 - content);
    sum += variance * weight;
    weights += weight;
  }
  return sum / Math.max(weights, TINY);
}

// Return the energies of the flattest blocks of a group, and the share of them that is not clipped.
function readGroup(blocks) {
  const count = flatCount(blocks.length);
  const flat = blocks.sort((a, b) => a.choosing - b.choosing).slice(0, 3 * count);
  const chosen = flat.slice(0, count);
  return {
    high: mean(chosen.map((block) => block.highest)),
    mid: mean(chosen.map((block) => block.middle)),
    next: mean(flat.slice(Math.min(2 * count, flat.length - 1)).map((block) => block.middle)),
    light: Math.max(DARK, mean(blocks.map((block) => block.brightness))),
    open: mean(chosen.map((block) => (block.choosing < CLIPPED ? 1 : 0))),
  };
}

// Return the number of the flattest of so many blocks.
export function flatCount(number) {
  return Math.min(number, Math.max(FEWEST, roundHalfToEven(FLAT * number)));
}

// Return per block the energies of the highest frequencies and of two sets of lower ones, and the brightness.
function energies(plane, height, width) {
  return blockPlaces(height, width).map(([top, left]) => energy(plane, top, left));
}

// Return the top and left of the blocks that are read of an image.
export function blockPlaces(height, width) {
  const step = height * width <= 100 * 100 ? 5 : BLOCK;
  const down = Math.floor((height - BLOCK) / step) + 1;
  const along = Math.floor((width - BLOCK) / step) + 1;
  const skip = Math.ceil(Math.sqrt((down * along) / MOST_BLOCKS));
  const first = (count) => Math.floor((Math.min(skip, count) - 1) / 2);
  const found = [];
  for (let row = first(down); row < down; row += skip) {
    for (let column = first(along); column < along; column += skip) {
      found.push([row * step, column * step]);
    }
  }
  return found;
}

function energy(plane, top, left) {
  const block = blockAt(plane, top, left);
  const [highest, choosing, middle] = blockBands(block).map((band) => mean(band.map((value) => value ** 2)));
  const clipped = clippedCount(block) > block.length / 2;
  return { highest, choosing: choosing + (clipped ? CLIPPED : 0), middle, brightness: mean(block) };
}

// Return the values of a block of a plane.
export function blockAt(plane, top, left) {
  const block = [];
  for (let row = 0; row < BLOCK; row++) {
    for (let column = 0; column < BLOCK; column++) block.push(Math.fround(plane(top + row, left + column)));
  }
  return block;
}

// Return what a block holds at the highest frequencies, and at two sets of lower ones.
export function blockBands(block) {
  return SETS.map((functions) => functions.map((basis) => basis.reduce((sum, value, k) => sum + value * block[k], 0)));
}

// Return the number of values that are black or white.
export function clippedCount(block) {
  return block.filter((value) => value === 0 || value === 1).length;
}

const SETS = basisSets();

// Return the cosine functions of the highest frequencies, and of two sets of lower ones.
function basisSets() {
  const cosine = (k, n) => (k ? Math.SQRT2 : 1) * Math.cos(((2 * n + 1) * k * Math.PI) / (2 * BLOCK)) / Math.sqrt(BLOCK);
  const sets = [[], [], []];
  for (let u = 0; u < BLOCK; u++) {
    for (let v = 0; v < BLOCK; v++) {
      const low = u + v >= 2 && u + v <= 8;
      if (u + v < 11 && !low) continue;
      const values = Array.from({ length: BLOCK * BLOCK }, (_, k) => cosine(u, k >> 3) * cosine(v, k & 7));
      sets[low ? 1 + (u % 2) : 0].push(values);
    }
  }
  return sets;
}

function roundHalfToEven(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

export function ramp(value, [from, to]) {
  return Math.min(1, Math.max(0, (value - from) / (to - from)));
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
