// Tiles with overlap, by the rule of clearer/inference/tiling.py: the network's grids lie as in the whole image.
// A tile has top, bottom, left and right; the ends are exclusive.

const SMALLEST = 32;

// Cut an image into tiles of at most `rows` x `columns` pixels, row by row.
export function cut(height, width, rows, columns) {
  const tiles = [];
  for (let top = 0; top < height; top += rows) {
    for (let left = 0; left < width; left += columns) {
      tiles.push({ top, bottom: Math.min(top + rows, height), left, right: Math.min(left + columns, width) });
    }
  }
  return tiles;
}

// Return the part of the image that the network sees for a tile.
export function seenBy(tile, height, width, overlap, multiple) {
  const [top, bottom] = stretch(tile.top, tile.bottom, height, overlap, multiple);
  const [left, right] = stretch(tile.left, tile.right, width, overlap, multiple);
  return { top, bottom, left, right };
}

function stretch(start, stop, length, overlap, multiple) {
  const first = Math.floor(Math.max(0, start - overlap) / multiple) * multiple;
  const end = Math.ceil((stop + overlap) / multiple) * multiple;
  return [first, Math.min(end, length)];
}

// Return height and width of the tiles for which the network sees at most `pixels` at once, and the fewest in total.
export function shapeWithin(height, width, pixels, overlap, multiple) {
  let best = null;
  for (let across = 1; across <= Math.ceil(width / SMALLEST); across++) {
    const columns = part(width, across, multiple);
    const wide = Math.min(columns + 2 * (overlap + multiple), width);
    const most = Math.floor(pixels / wide); // rows that the network may see
    let rows = height;
    if (most < height) {
      rows = Math.floor((most - 2 * (overlap + multiple)) / multiple) * multiple;
      if (rows < Math.min(SMALLEST, height)) continue;
      rows = part(height, Math.ceil(height / rows), multiple);
    }
    const down = Math.ceil(height / rows);
    const sides = [height + (down - 1) * 2 * overlap, width + (Math.ceil(width / columns) - 1) * 2 * overlap];
    const seen = sides[0] * sides[1];
    if (best === null || seen < best.seen) best = { seen, rows, columns };
  }
  return best ?? { rows: Math.min(SMALLEST, height), columns: Math.min(SMALLEST, width) };
}

function part(length, parts, multiple) {
  return parts === 1 ? length : Math.ceil(length / (parts * multiple)) * multiple;
}

// Return the two halves of a tile, cut across its longer side; null if it is not to be cut further.
export function halves(tile) {
  const { top, bottom, left, right } = tile;
  if (Math.max(bottom - top, right - left) <= SMALLEST) return null;
  if (bottom - top >= right - left) {
    const middle = top + Math.ceil((bottom - top) / 2);
    return [{ ...tile, bottom: middle }, { ...tile, top: middle }];
  }
  const middle = left + Math.ceil((right - left) / 2);
  return [{ ...tile, right: middle }, { ...tile, left: middle }];
}
