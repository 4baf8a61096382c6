/**
 * From bytes in shared memory to the views that an objective sees: photometric augmentation, g and its path, batched.
 *
 * Everything random was decided before a pixel existed: the streams of (seed, epoch, index, view) give each image's plan.
 * B images, C canvas side, S view side, K intermediates, P transformation parameters.
 */
import { cat, fromBytes, type Device, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { renderPath, type RenderedPath } from '../transforms/path.js';
import { uniformStream } from '../transforms/philox.js';
import { applyPhotometric } from '../transforms/photometric.js';
import { globalOdds, type PhotometricPlan, planPhotometric } from '../transforms/photometricPlan.js';
import { sampleThetas } from '../transforms/sampleThetas.js';
import type { Transformation, UniformDraw } from '../transforms/transformation.js';
import type { DeviceBatch, PlanMasks, View, ViewRequest } from './batch.js';
import type { HostBatch } from './feed.js';
import type { Draw } from './order.js';

export interface DeviceOptions {
  readonly views: readonly ViewRequest[];
  readonly planMasks?: PlanMasks | undefined;
  readonly config: Pick<Config, 'augment' | 'transform'>;
  readonly seed: number;
  readonly device?: Device; // cpu
}

/**
 * The batch on the device. The pixels are copied: the host batch may be released when this returns. Call it in the step's scope.
 *
 * `transform.stage` after_photometric (the default): u is augmented, and g acts on that. after_crop: g acts on the plain (flipped)
 * crop, and every state of the path gets u's photometric operations afterwards.
 */
export function deviceBatch(
  host: HostBatch,
  { views, planMasks, config, seed, device = 'cpu' }: DeviceOptions,
): DeviceBatch {
  const masks = planMasks === undefined ? [] : masksOf(host.drawn, planMasks, seed, device);
  return {
    indices: host.indices,
    views: views.map((request, i): View => {
      const { transformed } = request;
      const named = { name: request.name, ...masks[i] };
      const canvas = canvasOf(host, i, device); // [B, 3, C, C]
      const plans = photometricPlans(host.drawn, views, i, config.augment, seed);
      if (transformed === undefined) return { ...named, images: applyPhotometric(canvas, plans) };
      const theta = thetasOf(host.drawn, transformed.transformation, i, seed, device); // [B, P]
      const render = (source: Tensor): RenderedPath =>
        renderPath(source, theta, transformed.transformation, { ...transformed, sizePx: request.sizePx });
      const { end, ...path } = renderStaged(canvas, plans, config.transform.stage, render);
      return { ...named, images: end, path };
    }),
  };
}

function renderStaged(
  canvas: Tensor,
  plans: readonly PhotometricPlan[],
  stage: Config['transform']['stage'],
  render: (canvas: Tensor) => RenderedPath,
): RenderedPath {
  switch (stage) {
    case 'after_photometric':
      return render(applyPhotometric(canvas, plans));
    case 'after_crop': {
      const flipped = applyPhotometric(canvas, plans.map(flipOnly)); // a flip after g would turn the path and its masks over
      return augmentPath(render(flipped), plans.map(withoutFlip));
    }
    default:
      return stage satisfies never;
  }
}

/** The same photometric operations on every state of the path, from u to v2. */
function augmentPath(path: RenderedPath, plans: readonly PhotometricPlan[]): RenderedPath {
  const states = [path.start, path.end, ...path.states];
  const joined = applyPhotometric(
    cat(states), // [(K + 2) * B, 3, S, S]
    states.flatMap(() => plans),
  );
  const [start = path.start, end = path.end, ...between] = joined.split(plans.length, 0);
  return { ...path, start, end, states: between };
}

function flipOnly({ isFlipped }: PhotometricPlan): PhotometricPlan {
  return { isFlipped, isGray: false, isSolarized: false };
}

function withoutFlip(plan: PhotometricPlan): PhotometricPlan {
  return { ...plan, isFlipped: false };
}

/** A view's pixels, u8 to f32 in [0, 1], [B, 3, C, C]. */
function canvasOf(host: HostBatch, view: number, device: Device): Tensor {
  const pixels = host.views[view];
  const canvasPx = host.canvasPx[view];
  if (pixels === undefined || canvasPx === undefined)
    throw new Error(`internal: deviceBatch: the feed has no view ${view}`);
  return fromBytes(pixels, [host.drawn.length, 3, canvasPx, canvasPx], 'uint8', device).to('float32').div_(255);
}

/** A view that shares the first view's crop shares its flip too: both show the same square, the same way round. */
function photometricPlans(
  drawn: readonly Draw[],
  views: readonly ViewRequest[],
  view: number,
  augment: Config['augment'],
  seed: number,
): PhotometricPlan[] {
  const { transformed, local } = views[view] ?? {};
  const modelPx = views[0]?.sizePx ?? 0; // the first view is no local crop
  const odds = local === true ? augment.local : globalOdds(augment, view === 0 ? 0 : 1);
  return drawn.map(({ epoch, index }) => {
    const planOf = (of: number): PhotometricPlan =>
      planPhotometric(uniformStream(seed, epoch, index, of, 'photometric'), augment, odds, modelPx);
    const plan = planOf(view);
    return transformed?.sharedCrop === true ? { ...plan, isFlipped: planOf(0).isFlipped } : plan;
  });
}

/** Each view's mask on the device. */
function masksOf(
  drawn: readonly Draw[],
  planMasks: PlanMasks,
  seed: number,
  device: Device,
): Pick<View, 'mask' | 'numMasked'>[] {
  const drawOf = (image: number, view: number): UniformDraw => {
    const { epoch = 0, index = 0 } = drawn[image] ?? {};
    return uniformStream(seed, epoch, index, view, 'mask');
  };
  return planMasks(drawOf, drawn.length).map((cells) =>
    cells === undefined
      ? {}
      : {
          mask: fromBytes(cells, [drawn.length, cells.length / drawn.length], 'uint8', device).to('bool'),
          numMasked: cells.reduce((total, cell) => total + cell, 0),
        },
  );
}

/** One theta per image, f32 [B, P]. */
function thetasOf(
  drawn: readonly Draw[],
  transformation: Transformation,
  view: number,
  seed: number,
  device: Device,
): Tensor {
  const streams = drawn.map(({ epoch, index }) => uniformStream(seed, epoch, index, view, 'theta'));
  return sampleThetas(transformation, streams, device);
}
