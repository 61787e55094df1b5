// Colors under transparent pixels: what the network sees there. clearer/images/transparent.py explains the method.

const FAR = 2 ** 30;

// Return RGBA with the image continued where alpha is 0, as if it went on behind the transparent part.
export function continued(data, width, height) {
  let known = new Uint8Array(width * height);
  for (let k = 0; k < known.length; k++) known[k] = data[4 * k + 3] > 0 ? 1 : 0;
  if (known.every((one) => one) || !known.some((one) => one)) return data;
  const filled = new Uint8ClampedArray(data);
  for (let pass = 0; pass < 2; pass++) { // the first pass fills whole rows, from which the second one reaches every column
    const next = known.slice();
    const mirror = { source: new Int32Array(known.length), distance: new Int32Array(known.length).fill(FAR) };
    findMirrors(mirror, known, height, width, width, 1);
    findMirrors(mirror, known, width, height, 1, width);
    for (let k = 0; k < known.length; k++) {
      if (known[k] || mirror.distance[k] === FAR) continue;
      const from = 4 * mirror.source[k];
      filled.set(filled.subarray(from, from + 3), 4 * k);
      next[k] = 1;
    }
    known = next;
  }
  return filled;
}

// Note for each pixel that is not known its mirror image in its line, if no nearer one is noted: the place, and the
// distance to the edge between them. Line number i begins at i * apart; its pixels are `step` from each other.
function findMirrors(mirror, known, lines, length, apart, step) {
  for (let line = 0; line < lines; line++) {
    const at = (place) => line * apart + place * step;
    let left = 0; // length of the run of known pixels before the gap
    for (let begin = 0; begin < length; ) {
      const end = runEnd(known, at, begin, length);
      if (known[at(begin)]) left = end - begin;
      else {
        const right = end < length ? runEnd(known, at, end, length) - end : 0;
        mirrorGap(mirror, at, { begin, size: end - begin, left, right });
      }
      begin = end;
    }
  }
}

function runEnd(known, at, begin, length) {
  let end = begin + 1;
  while (end < length && known[at(end)] === known[at(begin)]) end++;
  return end;
}

function mirrorGap({ source, distance }, at, { begin, size, left, right }) {
  if (left === 0 && right === 0) return;
  for (let step = 0; step < size; step++) {
    const onLeft = left > 0 && (right === 0 || 2 * step < size);
    const away = onLeft ? step : size - 1 - step;
    const place = at(begin + step);
    if (away >= distance[place]) continue;
    const period = 2 * (onLeft ? left : right);
    const back = Math.min(away % period, period - 1 - (away % period)); // back and forth, if the gap is wider than the run
    source[place] = at(onLeft ? begin - 1 - back : begin + size + back);
    distance[place] = away;
  }
}
