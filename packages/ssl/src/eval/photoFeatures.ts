/**
 * Features of one encoder for the photos of an evaluation: of I and of g_theta(I), under both borders, each computed once
 * and remembered on disk.
 *
 * n photos, A thetas a photo, C rendering side, S view side, D features, P parameters.
 */
import { scope, tensor, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { BORDERS, type Border, type FeatureKind, type R2Parameter } from '../protocol/report.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import type { Transformation } from '../transforms/transformation.js';
import type { Squares } from '../data/squares.js';
import { idsOf, modifiedKey, photosKey, type EvaluationData, type EvaluationPart } from './evaluationData.js';
import { checksumOf, type FeatureCache, type FeatureKey } from './featureCache.js';
import { encodePhotos, encoderBatch, featureFunction, type EncodedPhotos, type FeatureFunction } from './features.js';
import type { ProgressListener } from './progress.js';
import { originalView, renderingPx } from './r2/borders.js';
import { drawThetas, evaluationTransformations } from './r2/thetas.js';
import { encodeTransformed, type TransformedFeatures } from './r2/transformedFeatures.js';

export interface PhotoFeaturesOptions {
  readonly network: FrozenNetwork;
  /** Name of the encoder in cache labels: `trained` or `untrained`. */
  readonly label: string;
  readonly kind: FeatureKind;
  /** Where the encoder is. */
  readonly device: Config['train']['device'];
  readonly data: EvaluationData;
  readonly cache: FeatureCache;
  readonly transform: Config['transform'];
  readonly thetasPerImage: number;
  readonly onProgress: ProgressListener;
  /** Adds seconds to a part of the evaluation. */
  readonly addSeconds: (part: string, seconds: number) => void;
}

/** Computes, remembers and hands out features. Every tensor lives until `dispose`. */
export class PhotoFeatures {
  readonly sizePx: number;
  readonly transformations: Readonly<Record<R2Parameter, Transformation>>;
  readonly #options: PhotoFeaturesOptions;
  readonly #encode: FeatureFunction;
  #weights: string | undefined;
  readonly #photos = new Map<EvaluationPart, string>();
  readonly #originals = new Map<string, EncodedPhotos>();

  constructor(options: PhotoFeaturesOptions) {
    this.#options = options;
    this.sizePx = options.network.config.model.imagePx;
    this.transformations = evaluationTransformations(options.transform, this.sizePx);
    this.#encode = featureFunction(options.network, options.kind);
  }

  /** Side of the rendering from which a border's views are cut. */
  renderingPx(border: Border): number {
    const shift = this.transformations.translation.parameters.reduce((most, { max }) => Math.max(most, max), 0);
    return renderingPx(border, this.sizePx, shift);
  }

  /** f(I) of each readable photo; under `zeros` I is the plain central square, as k-NN and the linear probe see it. */
  async originals(part: EvaluationPart, border: Border): Promise<EncodedPhotos> {
    const name = originalName(part, border);
    const known = this.#originals.get(name);
    if (known !== undefined) return known;
    const { cache, network } = this.#options;
    const label = this.#label(name, part);
    const side = this.renderingPx(border);
    const key = this.#key(part, `I, ${border}, ${side} px`);
    const made = await this.#timed(async (): Promise<EncodedPhotos> => {
      const stored = cache.load(label, key);
      if (stored !== undefined) {
        const indices = takenNumbers(stored, 'indices');
        const shortSidesPx = takenNumbers(stored, 'short_sides_px');
        return { features: taken(stored, 'features'), indices, shortSidesPx };
      }
      const fresh = await encodePhotos(
        this.#watched(part, side, `${border}: photos`),
        part.indices.length,
        side,
        (renderings) => originalView(renderings, this.sizePx),
        this.#encode,
        encoderBatch(network.encoder),
      );
      const { features, indices, shortSidesPx } = fresh;
      this.#store(label, key, { features }, { indices, short_sides_px: shortSidesPx });
      return fresh;
    });
    this.#originals.set(name, made);
    return made;
  }

  /** How many photos of a part could be read, known once features of it were asked for. */
  numReadable(part: EvaluationPart): number {
    const known = BORDERS.map((border) => this.#originals.get(originalName(part, border))).find((made) => made);
    if (known === undefined)
      throw new Error(`internal: photoFeatures: nothing was asked about the ${part.name} photos`);
    return known.indices.length;
  }

  /** f(g_theta(I)) of one parameter for every theta of each readable photo; the caller disposes the features. */
  async transformed(part: EvaluationPart, border: Border, parameter: R2Parameter): Promise<TransformedFeatures> {
    const { cache, network, thetasPerImage, transform } = this.#options;
    const label = this.#label(`${parameter}-${border}-${part.name}`, part);
    const side = this.renderingPx(border);
    const settings = JSON.stringify(transform);
    const what = `g(I), ${parameter}, ${border}, ${side} px, ${thetasPerImage} thetas of ${settings}`;
    const key = this.#key(part, what);
    return this.#timed(async () => {
      const stored = cache.load(label, key);
      if (stored !== undefined) {
        return { features: taken(stored, 'features'), indices: takenNumbers(stored, 'indices') };
      }
      const plan = {
        numPhotos: part.indices.length,
        renderingPx: side,
        sizePx: this.sizePx,
        thetasPerImage,
        transformation: this.transformations[parameter],
        thetasOf: this.#thetasOf(part, parameter),
      };
      const photos = this.#watched(part, side, `${border}: ${parameter}, photos`);
      const { features, indices } = await encodeTransformed(photos, plan, this.#encode, encoderBatch(network.encoder));
      this.#store(label, key, { features }, { indices });
      return { features, indices };
    });
  }

  dispose(): void {
    for (const { features } of this.#originals.values()) features.dispose();
    this.#originals.clear();
  }

  /** Counts the time of `work` without what it waited for pixels. */
  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const { data, addSeconds } = this.#options;
    const start = performance.now();
    const rendered = data.renderSeconds;
    const result = await work();
    addSeconds('features', (performance.now() - start) / 1000 - (data.renderSeconds - rendered));
    return result;
  }

  /** A label of the cache: part of the photos does not take the place of all. */
  #label(name: string, { selection }: EvaluationPart): string {
    return `${this.#options.label}-${this.#options.kind}-${name}${selection === undefined ? '' : '-some'}`;
  }

  /** Weights and photos are read when the cache asks. */
  #key(part: EvaluationPart, what: string): FeatureKey {
    const { network, kind, device } = this.#options;
    return {
      weights: () => (this.#weights ??= checksumOf(weightsOf(network))),
      photos: () => this.#photosOf(part),
      protocol: `${what}; view ${this.sizePx} px, features ${kind} of ${JSON.stringify(network.config.split)}, float32 on ${device}`,
    };
  }

  /** Asked once: it looks at every file. */
  #photosOf(part: EvaluationPart): string {
    const known = this.#photos.get(part) ?? `${photosKey(part)} ${modifiedKey(part)}`;
    this.#photos.set(part, known);
    return known;
  }

  /** Stores features with the numbers that belong to them. */
  #store(
    label: string,
    key: FeatureKey,
    features: Readonly<Record<string, Tensor>>,
    numbers: Readonly<Record<string, Int32Array>>,
  ): void {
    scope(() => {
      const columns = Object.entries(numbers).map(([name, values]): [string, Tensor] => [name, tensor(values)]);
      this.#options.cache.store(label, key, new Map([...Object.entries(features), ...columns]));
    });
  }

  /** Thetas by position in the source: drawn once for the part, looked up by batch. */
  #thetasOf(part: EvaluationPart, parameter: R2Parameter): (index: number) => Float32Array {
    const { thetasPerImage } = this.#options;
    const transformation = this.transformations[parameter];
    const rows = new Map(Array.from(part.indices, (index, row) => [index, row]));
    const thetas = drawThetas(transformation, idsOf(part, part.indices), thetasPerImage);
    const width = transformation.parameters.length * thetasPerImage;
    return (index) => {
      const row = rows.get(index) ?? 0;
      return thetas.subarray(row * width, (row + 1) * width);
    };
  }

  /** The part's renderings, telling how far they are as they are used. */
  async *#watched(part: EvaluationPart, side: number, what: string): AsyncGenerator<Squares> {
    let numDone = 0;
    this.#options.onProgress(`${what}, ${part.name}`, true);
    for await (const chunk of this.#options.data.squares(part, side)) {
      yield chunk;
      numDone += chunk.indices.length;
      this.#options.onProgress(`${what}, ${part.name} ${numDone}/${part.indices.length}`, true);
    }
  }
}

function weightsOf({ encoder, adapter }: FrozenNetwork): Map<string, Tensor> {
  const named = (prefix: string, tensors: Map<string, Tensor>): [string, Tensor][] =>
    [...tensors].map(([name, value]) => [`${prefix}.${name}`, value]);
  return new Map([...named('encoder', encoder.stateDict()), ...named('adapter', adapter.stateDict())]);
}

function originalName(part: EvaluationPart, border: Border): string {
  return `original-${border}-${part.name}`;
}

function taken(stored: Map<string, Tensor>, name: string): Tensor {
  const found = stored.get(name);
  if (found === undefined)
    throw new Error(`internal: feature cache: ${name} is missing in a file whose checksum is right`);
  return found;
}

function takenNumbers(stored: Map<string, Tensor>, name: string): Int32Array {
  const numbers = taken(stored, name);
  const values = numbers.toTypedArray() as Int32Array;
  numbers.dispose();
  return values;
}
