// Decode a file as the browser shows it, with the colors of transparent pixels, which a canvas loses.

import { storesGray } from "./stored.js";

const STRIP = 2048; // no WebGL has a smaller limit for the sides of a texture
const WHITE = 255;
// A PNG of two pixels of the color 200, 100, 50 with alpha 0 and 9.
const PROBE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAEUlEQVR4nGM8kWLEwMDAwAkACkMBaUGy7W8AAAAASUVORK5CYII=";
const PROBED = [200, 100, 50, 0, 200, 100, 50, 9];

let exact = null; // whether this browser gives the colors of transparent pixels as they are stored; null: not yet tried

// Return the pixels of a file: {bitmap, data, width, height, gray, exact}.
//
// bitmap: to be drawn, and closed by the caller.
// data: RGBA of 8 bits, the colors not multiplied by alpha; null if the image is too large for this browser.
// gray: whether the file stores one channel of color.
// exact: whether the colors under transparency are those of the file.
export async function decoded(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const found = { bitmap, width, height, data: null, gray: await storesGray(file), exact: true };
  try {
    found.data = byCanvas(bitmap);
  } catch {
    return found;
  }
  if (isOpaque(found.data)) return found;
  exact ??= await isExact();
  if (exact) found.data = await byTexture(bitmap);
  found.exact = exact;
  return found;
}

// Return the pixels as a canvas holds them: multiplied by alpha, rounded, and divided again.
function byCanvas(bitmap) {
  const { width, height } = bitmap;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  try {
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height).data;
  } finally {
    canvas.width = 0; // some browsers keep the memory of a canvas otherwise
  }
}

// Return the pixels as a texture holds them: as they were decoded.
async function byTexture(bitmap) {
  const { width, height } = bitmap;
  const pixels = new Uint8ClampedArray(4 * width * height);
  const gl = document.createElement("canvas").getContext("webgl");
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  for (let top = 0; top < height; top += STRIP) {
    for (let left = 0; left < width; left += STRIP) {
      const [wide, tall] = [Math.min(STRIP, width - left), Math.min(STRIP, height - top)];
      const strip = await createImageBitmap(bitmap, left, top, wide, tall, { premultiplyAlpha: "none" });
      const read = readBack(gl, strip);
      strip.close();
      for (let row = 0; row < tall; row++) {
        pixels.set(read.subarray(4 * row * wide, 4 * (row + 1) * wide), 4 * ((top + row) * width + left));
      }
    }
  }
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return pixels;
}

function readBack(gl, bitmap) {
  const { width, height } = bitmap;
  const read = new Uint8Array(4 * width * height);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, read);
  return read;
}

// Return whether the colors of the probe come back: not every browser has WebGL, or decodes without multiplying.
async function isExact() {
  try {
    const bytes = Uint8Array.from(atob(PROBE), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { premultiplyAlpha: "none" });
    const read = await byTexture(bitmap);
    bitmap.close();
    return PROBED.every((value, k) => value === read[k]);
  } catch {
    return false;
  }
}

function isOpaque(data) {
  for (let k = 3; k < data.length; k += 4) if (data[k] !== WHITE) return false;
  return true;
}
