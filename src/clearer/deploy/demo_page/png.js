// Write PNG files without a canvas, which rounds the colors of transparent pixels and limits the size.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const PAETH = 4;
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

// Return an image ({data, width, height}, RGBA of 8 bits) as a Blob: gray or RGB where that loses nothing.
export async function encodePng({ data, width, height }, gray) {
  const opaque = data.every((value, k) => k % 4 !== 3 || value === 255);
  const channels = opaque ? (gray ? [0] : [0, 1, 2]) : [0, 1, 2, 3];
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, opaque ? (gray ? 0 : 2) : 6);
  const rows = filtered(data, width, height, channels);
  const packed = await new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  const chunks = [chunk("IHDR", new Uint8Array(header.buffer)), chunk("IDAT", new Uint8Array(packed)), chunk("IEND", new Uint8Array())];
  return new Blob([new Uint8Array(SIGNATURE), ...chunks], { type: "image/png" });
}

function filtered(data, width, height, channels) {
  const depth = channels.length;
  const length = width * depth;
  const rows = new Uint8Array(height * (length + 1));
  let [before, line] = [new Uint8Array(length), new Uint8Array(length)];
  for (let row = 0; row < height; row++) {
    for (let k = 0; k < length; k++) line[k] = data[4 * (row * width + Math.floor(k / depth)) + channels[k % depth]];
    const at = row * (length + 1);
    rows[at] = PAETH;
    for (let k = 0; k < length; k++) {
      const [left, above, corner] = k < depth ? [0, before[k], 0] : [line[k - depth], before[k], before[k - depth]];
      rows[at + 1 + k] = line[k] - nearest(left, above, corner);
    }
    [before, line] = [line, before];
  }
  return rows;
}

function nearest(left, above, corner) {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

function chunk(name, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (let k = 4; k < data.length + 8; k++) crc = CRC[(crc ^ bytes[k]) & 255] ^ (crc >>> 8);
  view.setUint32(data.length + 8, (crc ^ 0xffffffff) >>> 0);
  return bytes;
}
