/**
 * Applies g_theta to rendered photos and encodes what comes out: one feature a photo and theta.
 *
 * n images, A thetas an image, B images of an encoder batch, C rendering side, S view side, D features, P parameters.
 */
import { scope, tensor, type Tensor } from '@halfway/torch';
import type { Squares } from '../../data/squares.js';
import type { Transformation } from '../../transforms/transformation.js';
import { FeatureRows, forEachBatch, type FeatureFunction } from '../features.js';
import { transformedView } from './borders.js';

/** Features of g_theta(I) for one transformation under one border. */
export interface TransformedFeatures {
  readonly features: Tensor; // f32 [n * A, D], thetas of a photo next to each other
  readonly indices: Int32Array; // positions in the source, [n]
}

/** What is applied to the photos of a part. */
export interface TransformPlan {
  readonly numPhotos: number; // photos that are rendered at most
  readonly renderingPx: number; // C
  readonly sizePx: number; // S
  readonly thetasPerImage: number; // A
  readonly transformation: Transformation;
  /** Thetas of the photo at a position in the source, [A, P] row-major. */
  readonly thetasOf: (index: number) => Float32Array;
}

/** Encodes g_theta(I) for every theta of each rendered photo. */
export async function encodeTransformed(
  chunks: AsyncIterable<Squares>,
  plan: TransformPlan,
  encode: FeatureFunction,
  batchImages: number,
): Promise<TransformedFeatures> {
  const { numPhotos, renderingPx, sizePx, thetasPerImage, transformation } = plan;
  const rows = new FeatureRows(numPhotos * thetasPerImage);
  const indices: number[] = [];
  await forEachBatch(chunks, renderingPx, batchImages, (renderings, { indices: positions }) => {
    for (let angle = 0; angle < thetasPerImage; angle++) {
      scope(() => {
        const theta = thetaBatch(plan, angle, positions); // [B, P]
        const view = transformedView(renderings, theta, transformation, sizePx);
        rows.write(encode(view), indices.length * thetasPerImage + angle, thetasPerImage);
      });
    }
    indices.push(...positions);
  });
  return { features: rows.toTensor(indices.length * thetasPerImage), indices: Int32Array.from(indices) };
}

/** The angle-th theta of each photo, f32 [B, P]. */
function thetaBatch({ transformation, thetasOf }: TransformPlan, angle: number, positions: Int32Array): Tensor {
  const numParameters = transformation.parameters.length;
  const values = new Float32Array(positions.length * numParameters);
  positions.forEach((index, row) => {
    values.set(thetasOf(index).subarray(angle * numParameters, (angle + 1) * numParameters), row * numParameters);
  });
  return tensor(values, { shape: [positions.length, numParameters] });
}
