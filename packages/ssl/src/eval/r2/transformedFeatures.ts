/**
 * Applies g_theta to rendered photos and encodes what comes out: one feature a photo, parameter and theta.
 *
 * n images, A thetas an image, B images of an encoder batch, C rendering side, S view side, D features, P parameters.
 */
import { scope, tensor, type Tensor } from '@halfway/torch';
import { R2_PARAMETERS, type R2Parameter } from '../../protocol/report.js';
import type { Transformation } from '../../transforms/transformation.js';
import { FeatureRows, forEachBatch, type FeatureFunction, type SquareChunk } from '../features.js';
import { transformedView } from './borders.js';

/** Features of g_theta(I) under one border. */
export interface TransformedFeatures {
  readonly features: Readonly<Record<R2Parameter, Tensor>>; // f32 [n * A, D], thetas of a photo next to each other
  readonly indices: Int32Array; // positions in the source, [n]
}

/** What is applied to the photos of a part. */
export interface TransformPlan {
  readonly numPhotos: number; // photos that are rendered at most
  readonly renderingPx: number; // C
  readonly sizePx: number; // S
  readonly thetasPerImage: number; // A
  readonly transformations: Readonly<Record<R2Parameter, Transformation>>;
  /** Thetas of the photo at a position in the source, [A, P] row-major. */
  readonly thetasOf: (parameter: R2Parameter, index: number) => Float32Array;
}

/** Encodes g_theta(I) for every parameter and theta of each rendered photo. */
export async function encodeTransformed(
  chunks: AsyncIterable<SquareChunk>,
  plan: TransformPlan,
  encode: FeatureFunction,
  batchImages: number,
): Promise<TransformedFeatures> {
  const { numPhotos, renderingPx, sizePx, thetasPerImage } = plan;
  const transformed = forEachParameter(() => new FeatureRows(numPhotos * thetasPerImage));
  const indices: number[] = [];
  await forEachBatch(chunks, renderingPx, batchImages, (renderings, { indices: positions }) => {
    const first = indices.length;
    for (const parameter of R2_PARAMETERS) {
      for (let angle = 0; angle < thetasPerImage; angle++) {
        scope(() => {
          const theta = thetaBatch(plan, parameter, angle, positions); // [B, P]
          const view = transformedView(renderings, theta, plan.transformations[parameter], sizePx);
          transformed[parameter].write(encode(view), first * thetasPerImage + angle, thetasPerImage);
        });
      }
    }
    indices.push(...positions);
  });
  return {
    features: forEachParameter((parameter) => transformed[parameter].toTensor(indices.length * thetasPerImage)),
    indices: Int32Array.from(indices),
  };
}

/** The angle-th theta of each photo, f32 [B, P]. */
function thetaBatch(plan: TransformPlan, parameter: R2Parameter, angle: number, positions: Int32Array): Tensor {
  const numParameters = plan.transformations[parameter].parameters.length;
  const values = new Float32Array(positions.length * numParameters);
  positions.forEach((index, row) => {
    const thetas = plan.thetasOf(parameter, index);
    values.set(thetas.subarray(angle * numParameters, (angle + 1) * numParameters), row * numParameters);
  });
  return tensor(values, { shape: [positions.length, numParameters] });
}

/** One value a parameter. */
export function forEachParameter<T>(valueOf: (parameter: R2Parameter) => T): Record<R2Parameter, T> {
  return {
    rotation: valueOf('rotation'),
    color: valueOf('color'),
    blur: valueOf('blur'),
    translation: valueOf('translation'),
  };
}
