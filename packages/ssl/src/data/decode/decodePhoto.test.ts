import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { picture, pixelsOf } from '../photos.case.js';
import { type Photo, PhotoDecoder, UnreadablePhotoError } from './decodePhoto.js';
import { readJpegHeader } from './jpegHeader.js';

const WIDTH = 31;
const HEIGHT = 20;
const FINE = { quality: 95, chromaSubsampling: '4:4:4' };
const rgb = picture(1, WIDTH, HEIGHT);
const jpeg = await rgb.clone().jpeg(FINE).toBuffer();
const png = await rgb.clone().png().toBuffer();

const decode = (bytes: Buffer, maxPixels = 1e8): Promise<Photo> => new PhotoDecoder({ maxPixels }).decode(bytes);

async function reasonOf(bytes: Buffer, maxPixels?: number): Promise<string> {
  try {
    await decode(bytes, maxPixels);
  } catch (error) {
    expect(error).toBeInstanceOf(UnreadablePhotoError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('the photo was read');
}

/** Mean absolute difference from the picture that was written. */
function error(photo: Photo, expected: Uint8Array = pixelsOf(1, WIDTH, HEIGHT)): number {
  expect([photo.widthPx, photo.heightPx, photo.data.length]).toEqual([WIDTH, HEIGHT, 3 * WIDTH * HEIGHT]);
  return photo.data.reduce((sum, value, i) => sum + Math.abs(value - (expected[i] ?? NaN)), 0) / expected.length;
}

const levels = pixelsOf(1, WIDTH, HEIGHT).subarray(0, WIDTH * HEIGHT);
const gray = sharp(levels, { raw: { width: WIDTH, height: HEIGHT, channels: 1 } });

describe('decodePhoto reads', () => {
  const cases: [string, () => Promise<Buffer>, number][] = [
    ['baseline JPEG', () => Promise.resolve(jpeg), 4],
    [
      'progressive JPEG',
      () =>
        rgb
          .clone()
          .jpeg({ ...FINE, progressive: true })
          .toBuffer(),
      4,
    ],
    ['JPEG without its end marker', () => Promise.resolve(jpeg.subarray(0, -2)), 4],
    ['JPEG with bytes after its end', () => Promise.resolve(Buffer.concat([jpeg, Buffer.alloc(99)])), 4],
    ['CMYK JPEG', () => rgb.clone().toColourspace('cmyk').jpeg(FINE).toBuffer(), 25],
    ['PNG', () => Promise.resolve(png), 0],
    ['16-bit PNG', () => rgb.clone().toColourspace('rgb16').png().toBuffer(), 0],
    ['palette PNG', () => rgb.clone().png({ palette: true, colours: 256, quality: 100 }).toBuffer(), 6],
    ['WebP', () => rgb.clone().webp({ lossless: true }).toBuffer(), 0],
    ['TIFF', () => rgb.clone().tiff({ compression: 'lzw' }).toBuffer(), 0],
    ['AVIF', () => rgb.clone().avif({ lossless: true }).toBuffer(), 3],
  ];
  it.each(cases)('%s', async (_, make, tolerance) => {
    expect(error(await decode(await make()))).toBeLessThanOrEqual(tolerance);
  });

  const grays: [string, () => Promise<Buffer>, number][] = [
    ['gray JPEG', () => gray.clone().toColourspace('b-w').jpeg(FINE).toBuffer(), 4],
    ['gray PNG', () => gray.clone().toColourspace('b-w').png().toBuffer(), 0],
    ['16-bit gray PNG', () => gray.clone().toColourspace('grey16').png().toBuffer(), 0],
  ];
  it.each(grays)('%s as three equal channels', async (_, make, tolerance) => {
    const bytes = await make();
    expect((await sharp(bytes).metadata()).channels).toBe(1);
    const photo = await decode(bytes);
    expect(
      error(
        photo,
        Uint8Array.from({ length: 3 * levels.length }, (__, i) => levels[Math.floor(i / 3)] ?? 0),
      ),
    ).toBeLessThanOrEqual(tolerance);
    for (let i = 0; i < photo.data.length; i += 3) expect(photo.data[i + 1]).toBe(photo.data[i]);
  });

  it('transparent pixels over white', async () => {
    const pixels = Buffer.from([10, 20, 30, 255, 10, 20, 30, 0, 100, 100, 100, 128]);
    const bytes = await sharp(pixels, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decode(bytes)).data]).toEqual([10, 20, 30, 255, 255, 255, 177, 177, 177]);
    const grayAlpha = await sharp(pixels, { raw: { width: 3, height: 1, channels: 4 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect([...(await decode(grayAlpha)).data].slice(3, 6)).toEqual([255, 255, 255]);
  });

  it.each(['gif', 'webp'] as const)('the first frame of an animated %s', async (format) => {
    const frames = [png, await picture(2, WIDTH, HEIGHT).png().toBuffer()];
    const bytes = await sharp(frames, { join: { animated: true } })
      .toFormat(format, { quality: 100 })
      .toBuffer();
    expect((await sharp(bytes).metadata()).pages).toBe(2);
    expect(error(await decode(bytes))).toBeLessThan(8);
  });

  it.each(['jpeg', 'png', 'webp'] as const)('a %s of one pixel', async (format) => {
    const bytes = await sharp(Buffer.from([90, 90, 90]), { raw: { width: 1, height: 1, channels: 3 } })
      .toFormat(format)
      .toBuffer();
    const { widthPx, heightPx, data } = await decode(bytes);
    expect([widthPx, heightPx]).toEqual([1, 1]);
    for (const value of data) expect(Math.abs(value - 90)).toBeLessThan(3);
  });

  it.each(['jpeg', 'png', 'webp', 'tiff'] as const)('the EXIF orientation of a %s, as stored', async (format) => {
    const bytes = await rgb.clone().withMetadata({ orientation: 6 }).toFormat(format).toBuffer();
    const { widthPx, heightPx, orientation } = await decode(bytes);
    expect([widthPx, heightPx, orientation]).toEqual([WIDTH, HEIGHT, 6]);
  });

  it('one photo after another, the bad ones between them', async () => {
    const decoder = new PhotoDecoder({ maxPixels: 1e8 });
    for (let i = 0; i < 3; i++) {
      expect(error(await decoder.decode(jpeg))).toBeLessThan(4);
      await expect(decoder.decode(jpeg.subarray(0, jpeg.length / 2))).rejects.toThrow(UnreadablePhotoError);
    }
  });
});

describe('decodePhoto refuses', () => {
  it('files that are cut short, in every format and place', async () => {
    const formats = [jpeg, png, await rgb.clone().webp().toBuffer(), await rgb.clone().tiff().toBuffer()];
    for (const whole of formats) {
      for (const share of [0.05, 0.3, 0.6, 0.9]) await reasonOf(whole.subarray(0, Math.floor(whole.length * share)));
    }
    expect(await reasonOf(jpeg.subarray(0, jpeg.length - 40))).toContain('premature end');
    expect(await reasonOf(jpeg.subarray(0, 30))).toBe('truncated or damaged JPEG header');
  });

  it('what is no photo, whatever its name', async () => {
    expect(await reasonOf(Buffer.alloc(0))).toBe('empty file');
    expect(await reasonOf(Buffer.from('<html><body>404</body></html>'))).toBe(
      'not a photo: starts with "<html><body>"',
    );
    expect(await reasonOf(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'))).toContain(
      'not a photo',
    );
    expect(await reasonOf(Buffer.concat([png.subarray(0, 8), Buffer.alloc(500, 7)]))).toContain('png: ');
  });

  it('decompression bombs, by their header alone', async () => {
    const startedAt = performance.now();
    expect(await reasonOf(jpeg, WIDTH * HEIGHT - 1)).toBe('refused: 31 x 20 pixels are more than data.maxPixels 619');
    expect(await reasonOf(png, WIDTH * HEIGHT - 1)).toContain('refused: 31 x 20');
    expect(await reasonOf(hugeJpeg())).toContain('refused: 65500 x 65500');
    expect(await reasonOf(hugePng())).toContain('refused: 200000 x 200000');
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(error(await decode(png, WIDTH * HEIGHT))).toBe(0);
  });
});

/** The JPEG with another size in its frame header. */
function hugeJpeg(): Buffer {
  const bytes = Buffer.from(jpeg);
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(65500, frame + 5);
  bytes.writeUInt16BE(65500, frame + 7);
  expect(readJpegHeader(bytes)).toMatchObject({ widthPx: 65500, heightPx: 65500, numComponents: 3 });
  return bytes;
}

/** The PNG with another size in its header chunk, and that chunk's checksum. */
function hugePng(): Buffer {
  const bytes = Buffer.from(png);
  bytes.writeUInt32BE(200000, 16);
  bytes.writeUInt32BE(200000, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

describe('readJpegHeader', () => {
  it('reads size, components and orientation in both byte orders', async () => {
    expect(readJpegHeader(jpeg)).toEqual({ widthPx: WIDTH, heightPx: HEIGHT, numComponents: 3, orientation: 1 });
    const turned = await rgb.clone().withMetadata({ orientation: 8 }).jpeg().toBuffer();
    expect(readJpegHeader(turned)?.orientation).toBe(8);
    expect(
      readJpegHeader(withExif(Buffer.from('MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0', 'latin1')))
        ?.orientation,
    ).toBe(5);
    expect(
      readJpegHeader(withExif(Buffer.from('II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0', 'latin1')))
        ?.orientation,
    ).toBe(3);
  });

  it('survives damage anywhere', () => {
    const whole = withExif(Buffer.from('MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x05\0\0\0\0\0\0', 'latin1'));
    for (let length = 0; length < 200; length++) readJpegHeader(whole.subarray(0, length));
    for (let at = 2; at < 200; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged[at] = value;
        const orientation = readJpegHeader(damaged)?.orientation ?? 1;
        expect(orientation >= 1 && orientation <= 8).toBe(true);
      }
    }
  });
});

function withExif(tiff: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]);
  const segment = Buffer.alloc(4);
  segment.writeUInt16BE(0xffe1, 0);
  segment.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), segment, body, jpeg.subarray(2)]);
}
