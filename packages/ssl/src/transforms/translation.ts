/** Translation: theta = (tx, ty), out(x, y) = in(x - tx, y - ty). B images. */
import type { Config } from '../config/schema.js';
import { inverseRigid, rigidCanvasPx, sampleAffine } from './affineSampler.js';
import { sampleParameters, symmetric } from './sampleParameters.js';
import type { Transformation } from './transformation.js';

// The size at which the paper states its pixels.
const PAPER_VIEW_PX = 224;

export type TranslationConfig = Pick<Config['transform'], 'translatePx' | 'translateUnit' | 'interpolation' | 'prob'>;

/**
 * theta f32 [B, 2] in pixels of the view (x right, y down), uniform on each axis in +-`translatePx`, which counts in `translateUnit`, or 0
 * with probability 1 - `prob`; path t_s = s t.
 * @param sizePx side of the view
 * @example translation({ translatePx: 10, translateUnit: 'px224', interpolation: 'bilinear', prob: 1 }, 96)
 */
export function translation(config: TranslationConfig, sizePx: number): Transformation {
  const { interpolation, prob } = config;
  const shiftPx = largestShiftPx(config, sizePx);
  const parameters = [symmetric('x', 'px', shiftPx), symmetric('y', 'px', shiftPx)];
  return {
    name: 'translation',
    parameters,
    geometric: true,
    canvasPx: (sidePx) => rigidCanvasPx(sidePx, { angleRad: 0, shiftPx, interpolation }),
    sample: (draw) => sampleParameters(parameters, prob, draw),
    at: (theta, t) => theta.mul(t),
    apply: (images, theta, fill, outputPx) =>
      sampleAffine(images, inverseRigid(theta.narrow(1, 0, 1).mul(0), theta), { fill, interpolation, outputPx }),
  };
}

/** The largest shift on an axis in pixels of a view of `sizePx` (docs/open-points.md, 11). */
export function largestShiftPx(
  { translatePx, translateUnit }: Pick<Config['transform'], 'translatePx' | 'translateUnit'>,
  sizePx: number,
): number {
  switch (translateUnit) {
    case 'px224':
      return (translatePx * sizePx) / PAPER_VIEW_PX;
    case 'px':
      return translatePx;
    case 'percent':
      return (translatePx / 100) * sizePx;
    default:
      return translateUnit satisfies never;
  }
}
