// The four programs of this folder on small IDX files: "digits" that are a white square, whose place is the class.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classify } from './classify.js';
import { fineTune } from './fineTune.js';
import { type LabelledImages, readIdx, readLabelledImages } from './idx.js';
import { IMAGE_PX, NUM_DIGITS } from './network.js';
import { type Reading, createDigitServer } from './serve.js';

const NUM_IMAGES = 240;
const SQUARE_PX = 7; // a grid of 4 x 4

const folder = mkdtempSync(join(tmpdir(), 'halfway-digits-'));
const weights = join(folder, 'digits.safetensors');
let data: LabelledImages;

/** Pixels [28 * 28] with a white square, on a darker noise where a generator is given. */
function drawDigit(digit: number, rng?: torch.Generator): Uint8Array {
  const shape = [IMAGE_PX, IMAGE_PX];
  const image = rng === undefined ? torch.zeros(shape) : torch.rand(shape, { generator: rng }).mul(100);
  const side = (cell: number): torch.IndexRange => ({ start: cell * SQUARE_PX, end: (cell + 1) * SQUARE_PX });
  image.set([side(Math.floor(digit / 4)), side(digit % 4)], 255);
  return image.to('uint8').toBytes();
}

function writeIdx(
  name: string,
  shape: readonly number[],
  bytes: Uint8Array,
  pack = (file: Buffer): Buffer => file,
): string {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((size, dim) => header.writeUInt32BE(size, 4 + 4 * dim));
  writeFileSync(join(folder, name), pack(Buffer.concat([header, bytes])));
  return join(folder, name);
}

beforeAll(() => {
  const rng = torch.generator(1);
  const labels = Array.from({ length: NUM_IMAGES }, (_, i) => i % NUM_DIGITS);
  const pixels = torch.scope(() => Buffer.concat(labels.map((label) => drawDigit(label, rng))));
  data = readLabelledImages(
    writeIdx('images.gz', [NUM_IMAGES, IMAGE_PX, IMAGE_PX], pixels, gzipSync),
    writeIdx('labels', [NUM_IMAGES], Uint8Array.from(labels)),
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('IDX files', () => {
  it('are read gzipped and plain', () => {
    expect(data.images.shape).toEqual([NUM_IMAGES, IMAGE_PX, IMAGE_PX]);
    expect(data.images.at(6, 7, 14).item()).toBe(255); // the upper left corner of the 6's square
    expect(data.labels.at({ end: 12 }).toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  });

  it('of other types, cut off, or that do not belong together are refused by name', () => {
    const text = join(folder, 'text');
    writeFileSync(text, 'no IDX');
    expect(() => readIdx(text)).toThrow(`${text}: must be an IDX file of unsigned bytes, got 6e6f2049`);
    expect(() => readIdx(writeIdx('short', [3], Uint8Array.of(1)))).toThrow(torch.ShapeError);
    const labels = writeIdx('two', [2], Uint8Array.of(1, 2));
    expect(() => readLabelledImages(labels, labels)).toThrow('must be N images and N labels, got [2] and [2]');
  });
});

describe('the network', () => {
  it('learns its classes: the loss falls, and images that it has not seen are read right', () => {
    const { losses, accuracy } = classify(data, { numTest: 40, out: weights, numEpochs: 12, batchSize: 20 });
    expect(losses).toHaveLength(12);
    expect(losses.at(-1)).toBeLessThan(0.1 * (losses[0] ?? 0));
    expect(accuracy).toBe(1);
  });

  it('starts from the features of its file and learns other labels with them', () => {
    const options = { weights, numPerClass: 20, batchSize: 10 };
    const untrained = fineTune(data, { ...options, numEpochs: 0 }).net;
    const file = loadSafetensors(weights).tensors;
    for (const [name, parameter] of untrained.namedParameters()) {
      const isOfFile = parameter.shape.join() === file.get(name)?.shape.join() && parameter.equal(file.get(name) ?? 0);
      expect(isOfFile, name).toBe(name.startsWith('features.'));
    }
    const { losses, accuracy } = fineTune(data, { ...options, numEpochs: 20 });
    expect(losses.at(-1)).toBeLessThan(0.1 * (losses[0] ?? 0));
    expect(accuracy).toBe(1);
  });

  it('is served: images of any format and ink on paper are read, all else is answered with an error', async () => {
    const server = createDigitServer(weights).listen(0);
    await once(server, 'listening');
    const url = `http://localhost:${(server.address() as AddressInfo).port}`;
    const raw = { width: IMAGE_PX, height: IMAGE_PX, channels: 1 } as const;
    const post = (body: Buffer<ArrayBuffer> | string): Promise<Response> => fetch(url, { method: 'POST', body });
    try {
      for (const digit of [3, 8]) {
        const image = sharp(drawDigit(digit), { raw });
        const jpeg = await image.clone().negate().resize(140, 140).jpeg().toBuffer();
        for (const file of [await image.png().toBuffer(), jpeg]) {
          const answer = (await (await post(file)).json()) as Reading;
          expect(answer.digit).toBe(digit);
          expect(answer.probabilities).toHaveLength(NUM_DIGITS);
          expect(answer.probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
        }
      }
      const refused = await post('no image');
      expect(refused.status).toBe(400);
      expect(await refused.json()).toEqual({ error: expect.stringContaining('unsupported image format') as string });
      expect((await fetch(url)).status).toBe(400);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
