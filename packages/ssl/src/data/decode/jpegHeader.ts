/**
 * What a JPEG says before it is decoded: size, components, and EXIF orientation. Reads markers only.
 *
 * Source: ITU-T T.81 annex B (markers), Exif 2.3 section 4.6 (orientation, tag 0x0112 of IFD0).
 */

export interface JpegHeader {
  readonly widthPx: number;
  readonly heightPx: number;
  /** 1 grey, 3 colour, 4 CMYK or YCCK. */
  readonly numComponents: number;
  /** 1 to 8; 1 is upright (orientation.ts). */
  readonly orientation: number;
}

const START_OF_SCAN = 0xda;
const APP1 = 0xe1;
const ORIENTATION_TAG = 0x0112;

/** Reads a JPEG's header, or undefined where the bytes are no JPEG or end before its frame header. */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let orientation = 1;
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    const length = view.getUint16(at + 2);
    const body = bytes.subarray(at + 4, at + 2 + length);
    if (isFrameHeader(marker)) {
      if (body.length < 6) return undefined;
      const heightPx = view.getUint16(at + 5);
      return { widthPx: view.getUint16(at + 7), heightPx, numComponents: body[5] ?? 0, orientation };
    }
    if (marker === START_OF_SCAN || length < 2) return undefined;
    if (marker === APP1) orientation = readExifOrientation(body) ?? orientation;
    at += 2 + length;
  }
  return undefined;
}

/** SOF0 to SOF15, without DHT (c4), JPG (c8) and DAC (cc), which share their range. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** Orientation in an APP1 body, or undefined where it is no EXIF, damaged, or has none. */
function readExifOrientation(body: Uint8Array): number | undefined {
  if (body.length < 20 || Buffer.from(body.buffer, body.byteOffset, 6).toString('latin1') !== 'Exif\0\0')
    return undefined;
  const tiff = new DataView(body.buffer, body.byteOffset + 6, body.length - 6);
  const order = tiff.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined; // 'II' little-endian, 'MM' big-endian
  const little = order === 0x4949;
  const directory = tiff.getUint32(4, little);
  if (directory + 2 > tiff.byteLength) return undefined;
  const numEntries = tiff.getUint16(directory, little);
  for (let i = 0; i < numEntries; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.byteLength) return undefined;
    if (tiff.getUint16(entry, little) !== ORIENTATION_TAG) continue;
    const value = tiff.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : undefined;
  }
  return undefined;
}
