/**
 * Rigid motion: theta = (phi, tx, ty), a turn about the centre, then a shift; out(p) = in(R^-1 (p - c - t) + c)
 * (docs/open-points.md, 17).
 * B images, s the fraction of the path.
 */
import { cat, scope, type Tensor, where } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { inverseRigid, rigidCanvasPx, sampleAffine } from './affineSampler.js';
import { sampleParameters, symmetric } from './sampleParameters.js';
import type { Transformation } from './transformation.js';
import { largestShiftPx, type TranslationConfig } from './translation.js';

/**
 * theta f32 [B, 3]: radians counter-clockwise, then pixels of the view; each component uniform, or all 0 with probability 1 - `prob`.
 * Path `linear`: s theta. `geodesic`: exp(s log g), the turn by s phi about the fixed point of g.
 * @param sizePx side of the view
 * @example se2({ rotationDeg: 45, translatePx: 10, translateUnit: 'px224', se2Path: 'linear', interpolation: 'bilinear', prob: 1 }, 96)
 */
export function se2(
  config: TranslationConfig & Pick<Config['transform'], 'rotationDeg' | 'se2Path'>,
  sizePx: number,
): Transformation {
  const { interpolation, prob, se2Path } = config;
  const angleRad = (config.rotationDeg * Math.PI) / 180;
  const shiftPx = largestShiftPx(config, sizePx);
  const parameters = [
    symmetric('angle', 'rad', angleRad),
    symmetric('x', 'px', shiftPx),
    symmetric('y', 'px', shiftPx),
  ];
  // On the geodesic a shift turns, so one component can grow to the length of the vector.
  const largestComponentPx = se2Path === 'geodesic' ? shiftPx * Math.SQRT2 : shiftPx;
  return {
    name: 'se2',
    parameters,
    geometric: true,
    canvasPx: (sidePx) => rigidCanvasPx(sidePx, { angleRad, shiftPx: largestComponentPx, interpolation }),
    sample: (draw) => sampleParameters(parameters, prob, draw),
    at: (theta, t) => pointOnPath(theta, t, se2Path),
    apply: (images, theta, fill, outputPx) =>
      sampleAffine(images, inverseRigid(theta.narrow(1, 0, 1), theta.narrow(1, 1, 2)), {
        fill,
        interpolation,
        outputPx,
      }),
  };
}

function pointOnPath(theta: Tensor, s: number, path: Config['transform']['se2Path']): Tensor {
  switch (path) {
    case 'linear':
      return theta.mul(s);
    case 'geodesic':
      return geodesic(theta, s);
    default:
      return path satisfies never;
  }
}

const SMALL_RAD = 1e-3; // below it the ratio of sines is s to 1e-7

/**
 * exp(s log g): the turn by s phi about the fixed point of g. In complex numbers, y down,
 * t_s = t (1 - e^(-i s phi)) / (1 - e^(-i phi)) = t sin(s phi / 2) / sin(phi / 2) e^(i (1 - s) phi / 2).
 */
function geodesic(theta: Tensor, s: number): Tensor {
  return scope(() => {
    const [angle, x, y] = [0, 1, 2].map((at) => theta.narrow(1, at, 1)) as [Tensor, Tensor, Tensor]; // [B, 1]
    const isSmall = angle.abs().lt(SMALL_RAD);
    const half = where(isSmall, SMALL_RAD, angle).mul(0.5);
    const ratio = where(isSmall, s, half.mul(s).sin().div(half.sin()));
    const turn = angle.mul((1 - s) / 2);
    const [cos, sin] = [turn.cos().mul(ratio), turn.sin().mul(ratio)];
    return cat([angle.mul(s), cos.mul(x).sub(sin.mul(y)), sin.mul(x).add(cos.mul(y))], 1); // [B, 3]
  });
}
