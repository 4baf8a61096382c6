// IDX, the format of MNIST and the sets made after it: two zero bytes, a type, the number of dimensions, their sizes as big-endian
// 32-bit numbers, the elements. Source: the format's description on MNIST's page.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as torch from '@halfway/torch';

const UNSIGNED_BYTES = 8;

/** The tensor of an IDX file of unsigned bytes, gzipped or not: uint8 [count, height, width] of images, [count] of labels. */
export function readIdx(path: string): torch.Tensor {
  const file = readFileSync(path);
  const isGzip = file[0] === 0x1f && file[1] === 0x8b;
  const bytes = isGzip ? gunzipSync(file) : file;
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0 || bytes[2] !== UNSIGNED_BYTES) {
    throw new Error(`${path}: must be an IDX file of unsigned bytes, got ${bytes.subarray(0, 4).toString('hex')}`);
  }
  const shape = Array.from({ length: bytes[3] ?? 0 }, (_, dim) => bytes.readUInt32BE(4 + 4 * dim));
  return torch.fromBytes(bytes.subarray(4 + 4 * shape.length), shape, 'uint8');
}

/** Images and what they show. */
export interface LabelledImages {
  readonly images: torch.Tensor; // uint8 [N, height, width]
  readonly labels: torch.Tensor; // int64 [N]
}

/** Two IDX files of the same images. */
export function readLabelledImages(imageFile: string, labelFile: string): LabelledImages {
  const [images, labels] = [readIdx(imageFile), readIdx(labelFile)];
  if (images.rank !== 3 || labels.rank !== 1 || images.shape[0] !== labels.shape[0]) {
    const got = `[${images.shape.join(', ')}] and [${labels.shape.join(', ')}]`;
    throw new Error(`${imageFile} and ${labelFile}: must be N images and N labels, got ${got}`);
  }
  return { images, labels: labels.to('int64') };
}

/** Those at positions, in a range or where a mask is true. */
export function select({ images, labels }: LabelledImages, index: torch.IndexEntry): LabelledImages {
  return { images: images.at(index), labels: labels.at(index) };
}
