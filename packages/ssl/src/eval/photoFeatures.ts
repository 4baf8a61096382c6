/**
 * Features of one encoder for the photos of an evaluation: of I and of g_theta(I), under both borders, each computed once
 * and remembered on disk.
 *
 * n photos, A thetas a photo, C rendering side, S view side, D features, P parameters.
 */
import { tensor, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { DataError } from '../errors.js';
import { R2_PARAMETERS, type Border, type FeatureKind, type R2Parameter } from '../protocol/report.js';
import type { Transformation } from '../transforms/transformation.js';
import { idsOf, photosKey, type EvaluationData, type EvaluationPart } from './evaluationData.js';
import { checksumOf, type FeatureCache, type FeatureKey } from './featureCache.js';
import {
  encodePhotos,
  encoderBatch,
  featureFunction,
  type EncodedPhotos,
  type FeatureFunction,
  type FrozenNetwork,
} from './features.js';
import { originalView, renderingPx } from './r2/borders.js';
import { describeRanges, drawThetas, evaluationTransformations } from './r2/thetas.js';
import { encodeTransformed, forEachParameter, type TransformedFeatures } from './r2/transformedFeatures.js';

export interface PhotoFeaturesOptions {
  readonly network: FrozenNetwork;
  /** Name of the encoder in cache labels: `trained` or `untrained`. */
  readonly label: string;
  readonly kind: FeatureKind;
  readonly data: EvaluationData;
  readonly cache: FeatureCache;
  readonly transform: Config['transform'];
  readonly thetasPerImage: number;
  readonly onProgress: (text: string) => void;
}

/** Computes, remembers and hands out features. Every tensor lives until `dispose`. */
export class PhotoFeatures {
  readonly sizePx: number;
  readonly transformations: Readonly<Record<R2Parameter, Transformation>>;
  readonly #options: PhotoFeaturesOptions;
  readonly #encode: FeatureFunction;
  readonly #weights: string;
  readonly #originals = new Map<string, EncodedPhotos>();

  constructor(options: PhotoFeaturesOptions) {
    const { encoder, adapter, config } = options.network;
    this.#options = options;
    this.sizePx = config.model.imagePx;
    this.transformations = evaluationTransformations(options.transform, this.sizePx);
    this.#encode = featureFunction(options.network, options.kind);
    const state = (prefix: string, tensors: Map<string, Tensor>): [string, Tensor][] =>
      [...tensors].map(([name, value]) => [`${prefix}.${name}`, value]);
    this.#weights = checksumOf(
      new Map([...state('encoder', encoder.stateDict()), ...state('adapter', adapter.stateDict())]),
    );
  }

  /** Side of the rendering from which a border's views are cut. */
  renderingPx(border: Border): number {
    const shift = this.transformations.translation.parameters.reduce((most, { max }) => Math.max(most, max), 0);
    return renderingPx(border, this.sizePx, shift);
  }

  /** f(I) of each readable photo; under `zeros` I is the plain central square, as k-NN and the linear probe see it. */
  async originals(part: EvaluationPart, border: Border): Promise<EncodedPhotos> {
    const name = `original-${border}-${part.name}`;
    const known = this.#originals.get(name);
    if (known !== undefined) return known;
    const { cache, network, data, kind } = this.#options;
    const label = `${this.#options.label}-${kind}-${name}`;
    const side = this.renderingPx(border);
    const key = this.#key(part, `I, ${border}, ${side} px`);
    const stored = cache.load(label, key);
    const made =
      stored === undefined
        ? await encodePhotos(
            this.#watched(part, side, `${border}: photos`),
            part.indices.length,
            side,
            (renderings) => originalView(renderings, this.sizePx),
            this.#encode,
            encoderBatch(network.encoder),
          )
        : { features: taken(stored, 'features'), indices: takenIndices(stored) };
    if (stored === undefined) cache.store(label, key, withIndices({ features: made.features }, made.indices));
    requireReadable(part, made.indices, data);
    this.#originals.set(name, made);
    return made;
  }

  /** f(g_theta(I)) for every parameter and theta of each readable photo; the caller disposes the features. */
  async transformed(part: EvaluationPart, border: Border): Promise<TransformedFeatures> {
    const { cache, network, kind, thetasPerImage } = this.#options;
    const label = `${this.#options.label}-${kind}-transformed-${border}-${part.name}`;
    const side = this.renderingPx(border);
    const ranges = R2_PARAMETERS.map((parameter) => describeRanges(this.transformations[parameter])).join('; ');
    const key = this.#key(part, `g(I), ${border}, ${side} px, ${thetasPerImage} thetas, ${ranges}`);
    const stored = cache.load(label, key);
    if (stored !== undefined) {
      return { features: forEachParameter((name) => taken(stored, name)), indices: takenIndices(stored) };
    }
    const made = await encodeTransformed(
      this.#watched(part, side, `${border}: transformed photos`),
      {
        numPhotos: part.indices.length,
        renderingPx: side,
        sizePx: this.sizePx,
        thetasPerImage,
        transformations: this.transformations,
        thetasOf: this.#thetasOf(part),
      },
      this.#encode,
      encoderBatch(network.encoder),
    );
    cache.store(label, key, withIndices(made.features, made.indices));
    return made;
  }

  dispose(): void {
    for (const { features } of this.#originals.values()) features.dispose();
    this.#originals.clear();
  }

  #key(part: EvaluationPart, what: string): FeatureKey {
    const protocol = `${what}; view ${this.sizePx} px, features ${this.#options.kind}, float32`;
    return { weights: this.#weights, photos: photosKey(part), protocol };
  }

  /** Thetas by position in the source: drawn once for the part, looked up by batch. */
  #thetasOf(part: EvaluationPart): (parameter: R2Parameter, index: number) => Float32Array {
    const { thetasPerImage } = this.#options;
    const ids = idsOf(part, part.indices);
    const rows = new Map(Array.from(part.indices, (index, row) => [index, row]));
    const thetas = forEachParameter((parameter) => drawThetas(this.transformations[parameter], ids, thetasPerImage));
    return (parameter, index) => {
      const width = this.transformations[parameter].parameters.length * thetasPerImage;
      const row = rows.get(index) ?? 0;
      return thetas[parameter].subarray(row * width, (row + 1) * width);
    };
  }

  /** The part's renderings, telling how far they are as they are used. */
  async *#watched(
    part: EvaluationPart,
    side: number,
    what: string,
  ): AsyncGenerator<{ indices: Int32Array; pixels: Uint8Array }> {
    let numDone = 0;
    for await (const chunk of this.#options.data.squares(part, side)) {
      yield chunk;
      numDone += chunk.indices.length;
      this.#options.onProgress(`${what}, ${part.name} ${numDone}/${part.indices.length}`);
    }
  }
}

/** Too many unreadable photos would make another evaluation of it; the data section says how many are too many. */
function requireReadable(part: EvaluationPart, readable: Int32Array, data: EvaluationData): void {
  const numBad = part.indices.length - readable.length;
  if (numBad <= data.maxBadFraction * part.indices.length) return;
  throw new DataError(
    `eval: at most ${100 * data.maxBadFraction} % of the ${part.name} photos may be unreadable, got ${numBad} of ${part.indices.length}; ` +
      'remove or repair them, or raise data.maxBadFraction',
  );
}

function withIndices(features: Readonly<Record<string, Tensor>>, indices: Int32Array): Map<string, Tensor> {
  return new Map([...Object.entries(features), ['indices', tensor(indices)]]);
}

function taken(stored: Map<string, Tensor>, name: string): Tensor {
  const found = stored.get(name);
  if (found === undefined)
    throw new Error(`internal: feature cache: ${name} is missing in a file whose checksum is right`);
  return found;
}

function takenIndices(stored: Map<string, Tensor>): Int32Array {
  const indices = taken(stored, 'indices');
  const values = indices.toTypedArray() as Int32Array;
  indices.dispose();
  return values;
}
