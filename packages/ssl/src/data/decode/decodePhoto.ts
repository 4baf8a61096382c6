/**
 * Bytes of a file to RGB pixels: JPEG by libjpeg-turbo, every other format and odd JPEGs by sharp (libvips).
 *
 * Grey becomes three equal channels, 16 bits become 8, the first frame of an animation counts, transparent parts are laid
 * over white (what product photos and drawings are made for). Embedded colour profiles are ignored, as PIL and torchvision do,
 * but for CMYK. The format is told by the first bytes, never by the name, so an SVG called .png is refused.
 */
import jpegTurbo from '@julusian/jpeg-turbo'; // CommonJS whose names Node cannot see
import sharp from 'sharp';
import { reasonOf } from '../../errors.js';
import { type JpegHeader, readJpegHeader } from './jpegHeader.js';

/** A decoded photo as it is stored; `orientation` (EXIF, 1 to 8) says how to turn it upright. */
export interface Photo {
  readonly data: Uint8Array; // [heightPx, widthPx, 3], may be overwritten by the next decode
  readonly widthPx: number;
  readonly heightPx: number;
  readonly orientation: number;
}

/** A file that is no photo we can read; the message is a reason for the report, without the path. */
export class UnreadablePhotoError extends Error {
  override readonly name = 'UnreadablePhotoError';
}

export interface DecodeLimits {
  /** Photos with more pixels are refused, from the header, before anything is decoded. */
  readonly maxPixels: number;
}

const REUSED_BYTES = 48 << 20; // photos up to 16 Mpx decode into one buffer that is kept
const WHITE = { r: 255, g: 255, b: 255 };

/** Decodes photos one after another, reusing one buffer: `data` of a photo is valid until the next call. */
export class PhotoDecoder {
  private readonly limits: DecodeLimits;
  private scratch = Buffer.alloc(1 << 20);

  constructor(limits: DecodeLimits) {
    this.limits = limits;
  }

  /**
   * Decodes one file.
   * @throws UnreadablePhotoError for anything that is not a whole photo of a known format and an allowed size.
   */
  async decode(bytes: Buffer): Promise<Photo> {
    const format = formatOf(bytes);
    if (format === undefined) throw new UnreadablePhotoError(notAPhoto(bytes));
    if (format !== 'jpeg') return this.decodeOther(bytes, format);
    const header = readJpegHeader(bytes);
    if (header === undefined) throw new UnreadablePhotoError('truncated or damaged JPEG header');
    this.checkSize(header.widthPx, header.heightPx);
    const photo = header.numComponents === 4 ? undefined : this.decodeJpeg(bytes, header);
    return photo ?? this.decodeOther(bytes, 'jpeg');
  }

  /** By libjpeg-turbo, or undefined where it finds anything amiss: libvips then decides how bad it is. */
  private decodeJpeg(bytes: Buffer, header: JpegHeader): Photo | undefined {
    const { widthPx, heightPx, orientation } = header;
    const target = this.buffer(widthPx * heightPx * 3);
    // Some writers leave out the end marker. With one added, libjpeg-turbo still objects to missing pixels.
    const attempts =
      bytes.at(-2) === 0xff && bytes.at(-1) === 0xd9 ? [bytes] : [bytes, Buffer.concat([bytes, END_OF_IMAGE])];
    for (const attempt of attempts) {
      try {
        jpegTurbo.decompressSync(attempt, target, { format: jpegTurbo.FORMAT_RGB });
        return { data: target, widthPx, heightPx, orientation };
      } catch {
        continue;
      }
    }
    return undefined;
  }

  private async decodeOther(bytes: Buffer, format: PhotoFormat): Promise<Photo> {
    try {
      const options = { failOn: 'error', limitInputPixels: this.limits.maxPixels } as const;
      const metadata = await sharp(bytes, { ...options, limitInputPixels: false }).metadata();
      this.checkSize(metadata.width, metadata.height);
      let image = sharp(bytes, { ...options, ignoreIcc: metadata.space !== 'cmyk' });
      if (metadata.hasAlpha) image = image.flatten({ background: WHITE });
      const { data, info } = await image
        .toColourspace('srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      const rgb = info.channels === 3 ? data : threeChannels(data, info.channels);
      return { data: rgb, widthPx: info.width, heightPx: info.height, orientation: metadata.orientation ?? 1 };
    } catch (error) {
      if (error instanceof UnreadablePhotoError) throw error;
      const [detail = ''] = reasonOf(error).split('\n');
      throw new UnreadablePhotoError(
        `${format}: ${detail.replace(/^(Input buffer has corrupt header: )?(Vips\w+: )?/, '')}`,
      );
    }
  }

  private checkSize(widthPx: number, heightPx: number): void {
    if (widthPx === 0 || heightPx === 0) throw new UnreadablePhotoError(`no pixels: ${widthPx} x ${heightPx}`);
    if (widthPx * heightPx <= this.limits.maxPixels) return;
    throw new UnreadablePhotoError(
      `refused: ${widthPx} x ${heightPx} pixels are more than data.maxPixels ${this.limits.maxPixels}`,
    );
  }

  private buffer(numBytes: number): Buffer {
    if (numBytes > REUSED_BYTES) return Buffer.allocUnsafeSlow(numBytes);
    if (numBytes > this.scratch.length) this.scratch = Buffer.allocUnsafeSlow(Math.min(REUSED_BYTES, 2 * numBytes));
    return this.scratch.subarray(0, numBytes);
  }
}

type PhotoFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'avif';

const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);

/** The format that a file's first bytes announce. */
function formatOf(bytes: Buffer): PhotoFormat | undefined {
  const text = bytes.toString('latin1', 0, 16);
  if (text.startsWith('\xff\xd8')) return 'jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'gif';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'webp';
  if (text.startsWith('II*\0') || text.startsWith('MM\0*')) return 'tiff';
  if (text.slice(4, 8) === 'ftyp' && /^(avi[fs]|mif1|miaf)/.test(text.slice(8))) return 'avif';
  return undefined;
}

function notAPhoto(bytes: Buffer): string {
  if (bytes.length === 0) return 'empty file';
  return `not a photo: starts with ${JSON.stringify(bytes.toString('latin1', 0, 12))}`;
}

/** Grey (1) or grey with alpha (2) to RGB, and RGBA (4) without its alpha. */
function threeChannels(data: Uint8Array, channels: number): Uint8Array {
  const numPixels = data.length / channels;
  const rgb = new Uint8Array(3 * numPixels);
  for (let i = 0; i < numPixels; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[channels * i + (channels >= 3 ? c : 0)] ?? 0;
  }
  return rgb;
}
