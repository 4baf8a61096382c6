/** From a configuration to a transformation: the only place that knows which transformations there are. */
import type { Config } from '../config/schema.js';
import { blur } from './blur.js';
import { color } from './color.js';
import { rotation } from './rotation.js';
import { se2 } from './se2.js';
import { sequence } from './sequence.js';
import type { Transformation } from './transformation.js';
import { translation } from './translation.js';

/**
 * The transformation of that name for views of `sizePx`; `all` is colour, then blur, then a rigid motion, with the theta of all three.
 * @example createTransformation('rotation', config.transform, config.model.imagePx)
 */
export function createTransformation(
  target: Transformation['name'],
  config: Config['transform'],
  sizePx: number,
): Transformation {
  switch (target) {
    case 'rotation':
      return rotation(config);
    case 'translation':
      return translation(config, sizePx);
    case 'se2':
      return se2(config, sizePx);
    case 'color':
      return color(config);
    case 'blur':
      return blur(config);
    case 'all':
      return sequence(target, [color(config), blur(config), se2(config, sizePx)]);
    default:
      return target satisfies never;
  }
}
