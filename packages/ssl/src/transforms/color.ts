/**
 * Colour: theta = (brightness, contrast, saturation, hue) deltas, applied in that order (docs/open-points.md, 15).
 * Factors are 1 + delta. B images.
 */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { mapChunks } from './chunks.js';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './colorAdjust.js';
import { cropCenter } from './cropCenter.js';
import { sampleParameters, symmetric } from './sampleParameters.js';
import type { Transformation } from './transformation.js';

/**
 * theta f32 [B, 4], each delta uniform in +- its limit, hue in turns, or all 0 with probability 1 - `prob`; path delta_t = t delta.
 * @example color({ color: { brightness: 0.4, contrast: 0.4, saturation: 0.1, hue: 0.1 }, prob: 1 })
 */
export function color(config: Pick<Config['transform'], 'color' | 'prob'>): Transformation {
  const { brightness, contrast, saturation, hue } = config.color;
  const parameters = [
    symmetric('brightness', 'factor', brightness),
    symmetric('contrast', 'factor', contrast),
    symmetric('saturation', 'factor', saturation),
    symmetric('hue', 'turn', hue),
  ];
  return {
    name: 'color',
    parameters,
    geometric: false,
    canvasPx: (sizePx) => sizePx,
    sample: (draw) => sampleParameters(parameters, config.prob, draw),
    at: (theta, t) => theta.mul(t),
    apply: (images, theta, _fill, outputPx) => {
      const changed = mapChunks(images, (part, first, end) => adjust(part, theta.narrow(0, first, end - first)));
      return outputPx === undefined ? changed : cropCenter(changed, outputPx);
    },
  };
}

/** Images f32 [B, 3, H, W], deltas f32 [B, 4]. */
function adjust(images: Tensor, deltas: Tensor): Tensor {
  const delta = (at: number): Tensor => deltas.select(1, at); // [B]
  const brighter = adjustBrightness(images, delta(0).add(1));
  const contrasted = adjustContrast(brighter, delta(1).add(1));
  const saturated = adjustSaturation(contrasted, delta(2).add(1));
  return adjustHue(saturated, delta(3));
}
