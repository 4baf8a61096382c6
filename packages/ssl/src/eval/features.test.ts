import { generator, memory, rand, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { configSchema, type Config } from '../config/schema.js';
import type { Squares } from '../data/squares.js';
import { Adapter } from '../models/adapter.js';
import { evalContext, expectClose } from '../models/fixture.case.js';
import { Vit, vitConfig } from '../models/vit.js';
import { normalize } from '../transforms/pixels.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import { encodePhotos, encoderBatch, featureFunction } from './features.js';

function network(split: Partial<Config['split']> = {}): FrozenNetwork {
  const config = configSchema.parse({
    model: { size: 'custom', widthDim: 16, depth: 1, numHeads: 2, patch: 4, imagePx: 8 },
    split: { dim: 12, equivariantDim: 5, ...split },
  });
  const rng = generator(3);
  return { encoder: new Vit(vitConfig(config.model), rng), adapter: new Adapter(16, config.split, rng), config };
}

const images = rand([3, 3, 8, 8], { generator: generator(4) });

describe('featureFunction', () => {
  const frozen = network();
  const tokens = frozen.encoder.forward(normalize(images), evalContext());
  const adapted = frozen.adapter.forward(tokens, evalContext());

  it('takes the class token, or the mean of the patch tokens, of the encoder', () => {
    expectClose(featureFunction(frozen, 'cls')(images), tokens.cls, 'cls');
    expectClose(featureFunction(frozen, 'mean')(images), tokens.patches.mean([1]), 'mean');
  });

  it.each([false, true])('takes the halves of the adapter, pooled over patches, with equiFirst %s', (equiFirst) => {
    const { config } = network({ equiFirst });
    const pooled = adapted.patches.mean([1]); // [B, 12]
    const equivariant = featureFunction({ ...frozen, config }, 'equivariant')(images);
    const invariant = featureFunction({ ...frozen, config }, 'invariant')(images);
    expectClose(equivariant, pooled.narrow(1, equiFirst ? 0 : 7, 5), 'equivariant');
    expectClose(invariant, pooled.narrow(1, equiFirst ? 5 : 0, 7), 'invariant');
  });

  it('has no parts of tokens that are not split', () => {
    for (const [split, given] of [
      [{ location: 'head_output' }, 'split.location head_output and split.equivariantDim 5'],
      [{ equivariantDim: 0 }, 'split.location adapter and split.equivariantDim 0'],
    ] as const) {
      expect(() => featureFunction({ ...frozen, config: network(split).config }, 'invariant')).toThrow(
        `eval.features: invariant must be a part of split tokens, got a network with ${given}; use mean or cls`,
      );
    }
    const { config } = network({ location: 'head_output' });
    expect(featureFunction({ ...frozen, config }, 'mean')(images).shape).toEqual([3, 16]);
  });

  it('keeps no graph and no tensor but its result', () => {
    const encode = featureFunction(frozen, 'mean');
    const before = memory.stats().liveTensors;
    const features = encode(images);
    expect(features.requiresGrad).toBe(false);
    features.dispose();
    expect(memory.stats().liveTensors).toBe(before);
  });
});

describe('encoderBatch', () => {
  it('is large for few tokens and small for many', () => {
    const encoder = (gridPatches: number): Vit => Object.assign(Object.create(Vit.prototype) as Vit, { gridPatches });
    expect(encoderBatch(encoder(4))).toBe(129);
    expect(encoderBatch(encoder(14))).toBe(11);
    expect(encoderBatch(encoder(37))).toBe(8);
  });
});

/** Two chunks, 3 and 2 photos of 2 x 2 pixels; photo 1 of the source was unreadable. */
async function* chunks(): AsyncGenerator<Squares> {
  const pixels = (values: readonly number[]): Uint8Array =>
    Uint8Array.from(values.flatMap((value) => Array<number>(12).fill(value)));
  yield { indices: Int32Array.of(0, 2, 3), pixels: pixels([0, 51, 102]), shortSidesPx: Int32Array.of(9, 8, 7) };
  await Promise.resolve();
  yield { indices: Int32Array.of(4, 5), pixels: pixels([153, 255]), shortSidesPx: Int32Array.of(6, 5) };
}

describe('encodePhotos', () => {
  it.each([1, 2, 512])('gives the same rows, in order, for batches of %i', async (batchImages) => {
    const encode = (batch: Tensor): Tensor => batch.flatten(1).narrow(1, 0, 2);
    const { features, indices, shortSidesPx } = await encodePhotos(chunks(), 6, 2, (x) => x, encode, batchImages);
    expect(features.shape).toEqual([5, 2]);
    expect(Array.from(features.toTypedArray() as Float32Array, (x) => Number(x.toFixed(6)))).toEqual([
      ...[0, 0, 0.2, 0.2, 0.4, 0.4],
      ...[0.6, 0.6, 1, 1],
    ]);
    expect([...indices]).toEqual([0, 2, 3, 4, 5]);
    expect([...shortSidesPx]).toEqual([9, 8, 7, 6, 5]);
  });
});
