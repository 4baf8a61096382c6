/** The thetas of a batch. */
import { tensor, type Device, type Tensor } from '@halfway/torch';
import type { Transformation, UniformDraw } from './transformation.js';

/**
 * One theta an image, f32 [B, P], image i's drawn from `streams[i]` as `transformation.sample` does.
 * @example sampleThetas(g, indices.map((index) => uniformStream(seed, epoch, index, 1, 'theta')))
 */
export function sampleThetas(
  transformation: Transformation,
  streams: readonly UniformDraw[],
  device: Device = 'cpu',
): Tensor {
  const numParameters = transformation.parameters.length;
  const thetas = new Float32Array(streams.length * numParameters);
  streams.forEach((draw, image) => thetas.set(transformation.sample(draw), image * numParameters));
  return tensor(thetas, { shape: [streams.length, numParameters], device });
}
