// Whether a file stores gray or color: a browser decodes both to RGBA. A color network averages the channels of gray
// files alone (clearer/inference/color.py).

const HEAD = 2 ** 20; // bytes; a profile and a preview may precede the header of a JPEG
const PNG = [137, 80, 78, 71];
const JPEG = [255, 216];

// Return whether a file (a Blob) stores one channel of color; false for formats other than PNG and JPEG.
export async function storesGray(file) {
  const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  if (PNG.every((value, k) => bytes[k] === value)) return bytes[25] === 0 || bytes[25] === 4; // gray, gray and alpha
  return JPEG.every((value, k) => bytes[k] === value) && componentsOf(bytes) === 1;
}

// Return the number of components that the frame header of a JPEG states; null if it is not found.
function componentsOf(bytes) {
  for (let at = 2; at + 9 < bytes.length; ) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 255) return null;
    if (marker === 255) at += 1; // filled up
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9];
    else at += 2 + 256 * bytes[at + 2] + bytes[at + 3];
  }
  return null;
}
