/**
 * The frozen encoder as a function of pixels, and the loop that applies it to rendered photos, batch by batch.
 *
 * B images of an encoder batch, C side of a rendering and S side of a view in pixels, N patches, D features.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { generator, noGrad, scope, tensor, type Tensor } from '@halfway/torch';
import type { ForwardContext } from '@halfway/torch/nn';
import { splitDims } from '../config/splitDims.js';
import type { Squares } from '../data/squares.js';
import { ConfigError } from '../errors.js';
import type { Encoder, Tokens } from '../models/encoder.js';
import type { FeatureKind } from '../protocol/report.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import { normalize } from '../transforms/pixels.js';

/** Images f32 [B, 3, S, S] in [0, 1] to features f32 [B, D], without a graph. */
export type FeatureFunction = (images: Tensor) => Tensor;

/**
 * Tokens of an encoder batch: few enough for the activations to stay in the processor's cache. Measured at width 128, f32:
 * 0.43 ms an image for 64 to 128 images of 17 tokens, 0.70 for 512.
 */
const BATCH_TOKENS = 2208;

/** Images of an encoder batch for an encoder of this grid: 129 at 17 tokens, 11 at 197. */
export function encoderBatch(encoder: Encoder): number {
  return Math.max(8, Math.floor(BATCH_TOKENS / (encoder.gridPatches ** 2 + 1)));
}

/**
 * Features of a kind:
 * - `cls`: the class token; `mean`: the mean of the patch tokens, both of the encoder, after its final norm;
 * - `invariant`, `equivariant`: that part of the adapter's patch tokens, or without adapter of the encoder's, mean over patches.
 *
 * Arithmetic is float32 whatever the training used, on the device that the encoder is on.
 * @throws ConfigError for a part of tokens that are not split
 */
export function featureFunction(network: FrozenNetwork, kind: FeatureKind): FeatureFunction {
  const { location, equivariantDim } = network.config.split;
  const isSplit = location !== 'head_output' && equivariantDim > 0;
  if (!isSplit && (kind === 'invariant' || kind === 'equivariant')) {
    throw new ConfigError(
      `eval.features: ${kind} must be a part of split tokens, got a network with split.location ${location} and ` +
        `split.equivariantDim ${equivariantDim}; use mean or cls`,
      'eval.features',
    );
  }
  const device = network.encoder.parameters()[0]?.device ?? 'cpu';
  return (images) => {
    const rng = generator(0); // a frozen network draws nothing from it
    const ctx: ForwardContext = { train: false, rng, computeDtype: 'float32' };
    try {
      return noGrad(() =>
        scope(() => pooled(network, network.encoder.forward(normalize(images.to(device)), ctx), kind, ctx)),
      );
    } finally {
      rng.dispose();
    }
  };
}

function pooled(network: FrozenNetwork, tokens: Tokens, kind: FeatureKind, ctx: ForwardContext): Tensor {
  switch (kind) {
    case 'cls':
      return tokens.cls; // [B, D]
    case 'mean':
      return tokens.patches.mean([1]); // [B, D]
    case 'invariant':
    case 'equivariant': {
      const { equivariantDim, equiFirst } = network.config.split;
      const { invariantDim } = splitDims(network.config);
      const adapted = network.adapter.forward(tokens, ctx).patches.mean([1]); // [B, d]
      return kind === 'equivariant'
        ? adapted.narrow(1, equiFirst ? 0 : invariantDim, equivariantDim)
        : adapted.narrow(1, equiFirst ? equivariantDim : 0, invariantDim);
    }
    default:
      return kind satisfies never;
  }
}

/** `count` photos of a chunk from `first` on. */
function slice(chunk: Squares, sidePx: number, first: number, count: number): Squares {
  const bytes = 3 * sidePx * sidePx;
  return {
    indices: chunk.indices.subarray(first, first + count),
    pixels: chunk.pixels.subarray(first * bytes, (first + count) * bytes),
    shortSidesPx: chunk.shortSidesPx.subarray(first, first + count),
  };
}

/** A chunk's pixels as f32 [n, 3, C, C] in [0, 1]. */
function imagesOf(chunk: Squares, sidePx: number): Tensor {
  const pixels = tensor(chunk.pixels, { shape: [chunk.indices.length, 3, sidePx, sidePx] });
  return pixels.to('float32').div(255);
}

/**
 * Calls `visit` with batches of at most `batchImages` rendered photos, each call in a scope and without gradients, and
 * lets the process breathe between them.
 *
 * @param visit gets f32 [B, 3, C, C] in [0, 1] and the photos they show
 */
export async function forEachBatch(
  chunks: AsyncIterable<Squares>,
  sidePx: number,
  batchImages: number,
  visit: (images: Tensor, photos: Squares) => void,
): Promise<void> {
  for await (const chunk of chunks) {
    for (let first = 0; first < chunk.indices.length; first += batchImages) {
      const count = Math.min(batchImages, chunk.indices.length - first);
      const photos = slice(chunk, sidePx, first, count);
      noGrad(() =>
        scope(() => {
          visit(imagesOf(photos, sidePx), photos);
        }),
      );
      await nextTurn();
    }
  }
}

/** Rows of features written one batch after the other; the width is known with the first batch. */
export class FeatureRows {
  readonly #numRows: number;
  #values: Float32Array | undefined;
  #dim = 0;

  /** @param numRows rows at most */
  constructor(numRows: number) {
    this.#numRows = numRows;
  }

  /** Writes f32 [b, D] to the rows first, first + stride, first + 2 stride, ... */
  write(features: Tensor, first: number, stride: number): void {
    const dim = features.shape[1] ?? 0;
    this.#values ??= new Float32Array(this.#numRows * dim);
    this.#dim = dim;
    const values = features.to('float32').toTypedArray() as Float32Array;
    for (let row = 0; row * dim < values.length; row++) {
      this.#values.set(values.subarray(row * dim, (row + 1) * dim), (first + row * stride) * dim);
    }
  }

  /** The first `numRows` rows, f32 [numRows, D]. */
  toTensor(numRows: number): Tensor {
    const values = this.#values ?? new Float32Array(0);
    return tensor(values.subarray(0, numRows * this.#dim), { shape: [numRows, this.#dim] });
  }
}

/** Features of rendered photos; unreadable photos are not among them. */
export interface EncodedPhotos {
  readonly features: Tensor; // f32 [n, D]
  readonly indices: Int32Array; // positions in the source, [n]
  readonly shortSidesPx: Int32Array; // of the stored photos, [n]
}

/**
 * Encodes one view of each rendered photo.
 * @param numPhotos photos that the chunks hold at most
 * @param view f32 [B, 3, C, C] to the view f32 [B, 3, S, S] that the encoder sees
 */
export async function encodePhotos(
  chunks: AsyncIterable<Squares>,
  numPhotos: number,
  renderingPx: number,
  view: (renderings: Tensor) => Tensor,
  encode: FeatureFunction,
  batchImages: number,
): Promise<EncodedPhotos> {
  const rows = new FeatureRows(numPhotos);
  const indices: number[] = [];
  const shortSides: number[] = [];
  await forEachBatch(chunks, renderingPx, batchImages, (renderings, chunk) => {
    rows.write(encode(view(renderings)), indices.length, 1);
    indices.push(...chunk.indices);
    shortSides.push(...chunk.shortSidesPx);
  });
  return {
    features: rows.toTensor(indices.length),
    indices: Int32Array.from(indices),
    shortSidesPx: Int32Array.from(shortSides),
  };
}
