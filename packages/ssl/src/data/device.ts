/**
 * From bytes in shared memory to the views that an objective sees: photometric augmentation, g and its path, batched.
 *
 * Everything random was decided before a pixel existed: the streams of (seed, epoch, index, view) give each image's plan.
 * B images, C canvas side, S view side, P transformation parameters.
 */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { cropCenter } from '../transforms/cropCenter.js';
import { renderPath } from '../transforms/path.js';
import { uniformStream } from '../transforms/philox.js';
import { applyPhotometric } from '../transforms/photometric.js';
import { planPhotometric } from '../transforms/photometricPlan.js';
import type { Transformation } from '../transforms/transformation.js';
import type { DeviceBatch, View, ViewRequest } from './batch.js';
import type { HostBatch } from './feed.js';
import type { Draw } from './order.js';

export interface DeviceOptions {
  readonly views: readonly ViewRequest[];
  readonly config: Pick<Config, 'augment' | 'transform'>;
  readonly seed: number;
}

/** The batch on the device; copies, so that the host batch can be released. Call it in the step's scope. */
export function deviceBatch(host: HostBatch, { views, config, seed }: DeviceOptions): DeviceBatch {
  return {
    indices: host.indices,
    views: views.map((request, view): View => {
      const { pixels, canvasPx } = { pixels: host.views[view], canvasPx: host.canvasPx[view] ?? 0 };
      if (pixels === undefined) throw new Error(`internal: deviceBatch: the feed has no view ${view}`);
      const canvas = imagesOf(pixels, host.drawn.length, canvasPx); // [B, 3, C, C]
      const augment = (images: Tensor): Tensor =>
        applyPhotometric(images, photometricPlans(host.drawn, request, view, config.augment, seed));
      const { name, sizePx, transformed } = request;
      if (transformed === undefined) return { name, images: augment(canvas) };

      const theta = thetasOf(host.drawn, transformed.transformation, view, config.transform.prob, seed); // [B, P]
      const render = (source: Tensor): ReturnType<typeof renderPath> =>
        renderPath(source, theta, transformed.transformation, { ...transformed, sizePx });
      if (config.transform.stage === 'after_photometric') {
        const { end, ...path } = render(augment(canvas));
        return { name, images: end, path };
      }
      // The path is that of the plain crop; only what the encoder sees is augmented.
      const { end, ...path } = render(canvas);
      return { name, images: augment(cropCenter(end, sizePx)), path };
    }),
  };
}

/** u8 bytes [B, 3, C, C] to f32 in [0, 1]. */
function imagesOf(pixels: Uint8Array, batch: number, canvasPx: number): Tensor {
  return torch.fromBytes(pixels, [batch, 3, canvasPx, canvasPx], 'uint8').to('float32').div(255);
}

function photometricPlans(
  drawn: readonly Draw[],
  { sizePx }: ViewRequest,
  view: number,
  augment: Config['augment'],
  seed: number,
): ReturnType<typeof planPhotometric>[] {
  return drawn.map(({ epoch, index }) =>
    planPhotometric(uniformStream(seed, epoch, index, view, 'photometric'), augment, view === 0 ? 0 : 1, sizePx),
  );
}

/** One theta per image; all zeros, the identity, for the share 1 - `prob` of them. */
function thetasOf(
  drawn: readonly Draw[],
  transformation: Transformation,
  view: number,
  prob: number,
  seed: number,
): Tensor {
  const numParameters = transformation.parameters.length;
  const thetas = new Float32Array(drawn.length * numParameters);
  drawn.forEach(({ epoch, index }, row) => {
    const draw = uniformStream(seed, epoch, index, view, 'theta');
    const isApplied = draw() < prob;
    const theta = transformation.sample(draw);
    if (isApplied) thetas.set(theta, row * numParameters);
  });
  return torch.tensor(thetas, { shape: [drawn.length, numParameters] });
}
