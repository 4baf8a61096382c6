/** Gaussian blur: theta = (sigma), in pixels of the view; its path: docs/open-points.md, 16. B images. */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { mapChunks } from './chunks.js';
import { cropCenter } from './cropCenter.js';
import { blurRadiusPx, gaussianBlur } from './gaussianBlur.js';
import { sampleParameters } from './sampleParameters.js';
import type { Transformation } from './transformation.js';

/**
 * theta f32 [B, 1] pixels, uniform in `blurSigmaPx`. The kernel's radius is that of the largest sigma of the range, so an image
 * comes out the same whatever its batch. theta is 0 with probability 1 - `prob`. Path `from_zero`: t sigma. `from_min`: from the
 * range's lower end to sigma.
 * @example blur({ blurSigmaPx: [0.1, 2], blurPath: 'from_zero', prob: 1 })
 */
export function blur(config: Pick<Config['transform'], 'blurSigmaPx' | 'blurPath' | 'prob'>): Transformation {
  const { prob, blurPath } = config;
  const [min, max] = config.blurSigmaPx;
  const parameters = [{ name: 'sigma', unit: 'px', min, max }] as const;
  const radiusPx = blurRadiusPx(max);
  return {
    name: 'blur',
    parameters,
    geometric: false,
    canvasPx: (sizePx) => sizePx,
    sample: (draw) => sampleParameters(parameters, prob, draw),
    at: (theta, t) => pointOnPath(theta, t, blurPath, min),
    apply: (images, theta, _fill, outputPx) => {
      const sigmaPx = theta.select(1, 0); // [B]
      const blurred = mapChunks(images, (part, first, end) =>
        gaussianBlur(part, sigmaPx.narrow(0, first, end - first), radiusPx),
      );
      return outputPx === undefined ? blurred : cropCenter(blurred, outputPx);
    },
  };
}

function pointOnPath(theta: Tensor, t: number, path: Config['transform']['blurPath'], min: number): Tensor {
  switch (path) {
    case 'from_zero':
      return theta.mul(t);
    case 'from_min': // an image that g leaves alone (sigma 0) starts at 0
      return theta.mul(t).add(theta.clampMax(min).mul(1 - t));
    default:
      return path satisfies never;
  }
}
