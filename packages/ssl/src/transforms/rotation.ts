/** Rotation about the image's centre: theta = (phi), positive is counter-clockwise, as torchvision's `rotate`. B images. */
import type { Config } from '../config/schema.js';
import { inverseRigid, rigidCanvasPx, sampleAffine } from './affineSampler.js';
import { sampleParameters, symmetric } from './sampleParameters.js';
import type { Transformation } from './transformation.js';

/**
 * theta f32 [B, 1] in radians, uniform in +-`rotationDeg`, or 0 with probability 1 - `prob`; path phi_t = t phi.
 * out(p) = in(R(phi)^-1 (p - c) + c).
 * @example rotation({ rotationDeg: 45, interpolation: 'bilinear', prob: 1 })
 */
export function rotation(config: Pick<Config['transform'], 'rotationDeg' | 'interpolation' | 'prob'>): Transformation {
  const { interpolation, prob } = config;
  const angleRad = (config.rotationDeg * Math.PI) / 180;
  const parameters = [symmetric('angle', 'rad', angleRad)];
  return {
    name: 'rotation',
    parameters,
    geometric: true,
    canvasPx: (sizePx) => rigidCanvasPx(sizePx, { angleRad, shiftPx: 0, interpolation }),
    sample: (draw) => sampleParameters(parameters, prob, draw),
    at: (theta, t) => theta.mul(t),
    apply: (images, theta, fill, outputPx) =>
      sampleAffine(images, inverseRigid(theta), { fill, interpolation, outputPx }),
  };
}
