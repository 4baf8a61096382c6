/** From the `model` section to an encoder: the only place that knows which encoders there are. */
import type { Generator } from '@halfway/torch';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import type { Encoder } from './encoder.js';
import { Resnet18 } from './resnet.js';
import { Vit, vitConfig } from './vit.js';

/**
 * The encoder of a configuration, untrained.
 * @param maskToken whether it can hide patches: `forward` takes a mask then
 * @throws ConfigError for shapes that cannot be, and for an encoder that cannot hide patches where it has to
 */
export function createEncoder(
  model: Config['model'],
  rng: Generator,
  { maskToken = false }: { readonly maskToken?: boolean } = {},
): Encoder {
  switch (model.kind) {
    case 'vit':
      return new Vit({ ...vitConfig(model), maskToken }, rng);
    case 'resnet18':
      if (maskToken) {
        throw new ConfigError(
          'model.kind: an objective that hides patches needs an encoder with a mask token, got resnet18; use vit',
          'model.kind',
        );
      }
      return new Resnet18({ ...model.resnet, imagePx: model.imagePx, patchPx: patchPx(model) }, rng);
    default:
      return model.kind satisfies never;
  }
}
