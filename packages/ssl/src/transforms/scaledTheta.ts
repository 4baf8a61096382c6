/** theta as plain numbers of one size, for networks that read or predict it. B images, P parameters. */
import { type Tensor, tensor } from '@halfway/torch';
import type { ParameterSpec } from './transformation.js';

/** Every parameter over the largest magnitude of its range: in [-1, 1], 0 the identity. f32 [B, P] to the same shape. */
export function scaledTheta(theta: Tensor, parameters: readonly ParameterSpec[]): Tensor {
  const limits = parameters.map(({ min, max }) => Math.max(Math.abs(min), Math.abs(max)) || 1); // 1: a range of nothing but 0
  return theta.div(tensor(limits, { device: theta.device }));
}
