import { cat, fromBytes, memory, scope, type Tensor } from '@halfway/torch';
import { expectClose } from '@halfway/torch/testing';
import { describe, expect, it } from 'vitest';
import { loadRecipe } from '../config/recipe.js';
import { createTransformation } from '../transforms/createTransformation.js';
import { renderPath } from '../transforms/path.js';
import { uniformStream } from '../transforms/philox.js';
import { applyPhotometric } from '../transforms/photometric.js';
import { globalOdds, planPhotometric } from '../transforms/photometricPlan.js';
import type { Fill } from '../transforms/transformation.js';
import type { PlanMasks, ViewRequest } from './batch.js';
import { deviceBatch } from './device.js';
import type { HostBatch } from './feed.js';
import type { Draw } from './order.js';
import { dataConfig, pixelsOf } from './photos.case.js';

const SIZE = 12;
const SEED = 3;
const config = dataConfig();
// A view is changed where it is blurred, and enough to be seen in so few pixels.
const BLUR_ONLY = [
  ...['augment.flipProb=0', 'augment.jitterProb=0', 'augment.grayProb=0', 'augment.solarizeProb=[0, 0]'],
  ...['augment.local.solarizeProb=0', 'augment.blurSigmaPx=[40, 60]'],
];
const drawn: Draw[] = [5, 2, 9, 0].map((index, i) => ({ index, epoch: i % 2 }));

function requests(fill: Fill = 'zeros', transform: object = {}): ViewRequest[] {
  const transformation = createTransformation('rotation', dataConfig({ transform }).transform, SIZE);
  return [
    { name: 'v1', sizePx: SIZE },
    { name: 'v2', sizePx: SIZE, transformed: { transformation, intermediates: 2, fill, sharedCrop: false } },
  ];
}

/** A host batch with pixels that depend on the photo and the view, as the feed would hand it out. */
function hostOf(canvasPx: readonly number[], draws: readonly Draw[] = drawn): HostBatch {
  const views = canvasPx.map((side, view) =>
    Buffer.concat(draws.map(({ index }) => pixelsOf(index + 10 * view, side, side))),
  );
  return {
    step: 0,
    views,
    canvasPx,
    indices: Int32Array.from(draws, ({ index }) => index),
    drawn: draws,
    waitMs: 0,
    release: () => undefined,
  };
}

const bytesOf = (image: Tensor): string => Buffer.from(image.contiguous().toBytes()).toString('hex');
const imagesOf = (host: HostBatch, view: number): Tensor =>
  fromBytes(
    host.views[view] ?? new Uint8Array(),
    [host.drawn.length, 3, host.canvasPx[view] ?? 0, host.canvasPx[view] ?? 0],
    'uint8',
  )
    .to('float32')
    .div(255);
const plansOf = (view: 0 | 1, augment = config.augment) =>
  drawn.map(({ epoch, index }) =>
    planPhotometric(uniformStream(SEED, epoch, index, view, 'photometric'), augment, globalOdds(augment, view), SIZE),
  );

describe('deviceBatch', () => {
  it('hides the patches that were planned for each view, and says how many', () => {
    scope(() => {
      const planned = [Uint8Array.of(1, 0, 0, 1, 0, 0, 0, 0), undefined]; // two photos of four patches
      const options = { views: requests(), planMasks: () => planned, config, seed: SEED };
      const [first, second] = deviceBatch(hostOf([SIZE, SIZE], drawn.slice(0, 2)), options).views;
      expect(first?.mask?.to('uint8').toArray()).toEqual([
        [1, 0, 0, 1],
        [0, 0, 0, 0],
      ]);
      expect(first?.numMasked).toBe(2);
      expect(second).not.toHaveProperty('mask');
      expect(second).not.toHaveProperty('numMasked');
    });
  });

  it('draws what is hidden for each view and photo by itself, as the references do for each crop', () => {
    scope(() => {
      const planMasks: PlanMasks = (drawOf, numImages) =>
        [0, 1].map((view) => {
          const cells = Array.from({ length: numImages }, (_, image) => {
            const draw = drawOf(image, view);
            return Array.from({ length: 16 }, () => (draw() < 0.5 ? 1 : 0));
          });
          return Uint8Array.from(cells.flat());
        });
      const options = { views: requests(), planMasks, config, seed: SEED };
      const { views } = deviceBatch(hostOf([SIZE, SIZE], drawn.slice(0, 2)), options);
      const masks = views.flatMap(({ mask }) => mask?.unbind(0).map(bytesOf) ?? []);
      expect([masks.length, new Set(masks).size]).toEqual([4, 4]);
    });
  });

  it('augments every view by its own stream, and g acts on the augmented canvas', () => {
    scope(() => {
      const views = requests('content');
      const side = views[1]?.transformed?.transformation.canvasPx(SIZE) ?? 0;
      const host = hostOf([SIZE, side]);
      const [first, second] = deviceBatch(host, { views, config, seed: SEED }).views;
      if (first === undefined || second?.path === undefined) throw new Error('two views, one with a path');
      expect(first.path).toBeUndefined();
      expect(bytesOf(first.images)).toBe(bytesOf(applyPhotometric(imagesOf(host, 0), plansOf(0))));

      const { transformed } = views[1] ?? {};
      if (transformed === undefined) throw new Error('transformed');
      const { end, ...path } = renderPath(
        applyPhotometric(imagesOf(host, 1), plansOf(1)),
        second.path.theta,
        transformed.transformation,
        { ...transformed, sizePx: SIZE },
      );
      expect(bytesOf(second.images)).toBe(bytesOf(end));
      expect(bytesOf(second.path.start)).toBe(bytesOf(path.start));
      expect(second.path.states.map(bytesOf)).toEqual(path.states.map(bytesOf));
      expect(second.path.valid).toHaveLength(2);
      drawn.forEach(({ epoch, index }, row) => {
        const theta = transformed.transformation.sample(uniformStream(SEED, epoch, index, 1, 'theta'));
        expect([...(second.path?.theta.select(0, row).toTypedArray() ?? [])]).toEqual([...theta]);
      });
    });
  });

  it('flips u with v1 where they share a crop, each by itself elsewhere', () => {
    scope(() => {
      const host = hostOf([SIZE, SIZE]);
      const same = { ...host, views: [host.views[0] ?? new Uint8Array(), host.views[0] ?? new Uint8Array()] };
      const flips = dataConfig({ augment: { preset: 'rot' } });
      const isSame = (sharedCrop: boolean): boolean => {
        const views = requests().map((view) =>
          view.transformed === undefined ? view : { ...view, transformed: { ...view.transformed, sharedCrop } },
        );
        const [first, second] = deviceBatch(same, { views, config: flips, seed: SEED }).views;
        return first !== undefined && bytesOf(first.images) === bytesOf(second?.path?.start ?? first.images.neg());
      };
      expect([isSame(true), isSame(false)]).toEqual([true, false]);
    });
  });

  it('blurs a local crop by as many pixels as a whole view, whatever its side', () => {
    scope(() => {
      const blurred = dataConfig({
        augment: {
          ...{ jitterProb: 0, grayProb: 0, flipProb: 0, solarizeProb: [0, 0], blurProb: [1, 1], blurSigmaPx: [40, 60] },
          local: { ...config.augment.local, blurProb: 1, solarizeProb: 0 },
        },
      });
      const host = hostOf([SIZE, 8]);
      const localBeside = (sizePx: number): Tensor | undefined => {
        const views: ViewRequest[] = [
          { name: 'v1', sizePx },
          { name: 'local1', sizePx: 8, local: true },
        ];
        return deviceBatch(host, { views, config: blurred, seed: SEED }).views[1]?.images;
      };
      const asWhole = applyPhotometric(imagesOf(host, 1), plansOf(1, blurred.augment)); // of views of SIZE
      expect(localBeside(SIZE)?.toBytes()).toEqual(asWhole.toBytes());
      expect(localBeside(4 * SIZE)?.toBytes()).not.toEqual(asWhole.toBytes());
    });
  });

  it.each([
    ['its code does', loadRecipe('paper/dinov2', BLUR_ONLY), [0, 0.9, 0.5]],
    ['its documentation says', loadRecipe('paper/dinov2', [...BLUR_ONLY, 'augment.blurProb=[1, 0.1]']), [1, 0.1, 0.5]],
  ])("blurs DINOv2's first, second and local view as often as %s", (_, { augment, transform }, odds) => {
    scope(() => {
      const draws = Array.from({ length: 400 }, (_, index): Draw => ({ index, epoch: 0 }));
      const host = hostOf([SIZE, SIZE, SIZE], draws);
      const globals = ['v1', 'v2'].map((name): ViewRequest => ({ name, sizePx: SIZE }));
      const views: ViewRequest[] = [...globals, { name: 'local1', sizePx: SIZE, local: true }];
      const batch = deviceBatch(host, { views, config: { augment, transform }, seed: SEED });
      const shares = batch.views.map(({ images }, view) => {
        const change = images.sub(imagesOf(host, view)).abs().flatten(1).amax([1]); // [B]
        return change.gt(1e-3).to('float32').mean().item();
      });
      for (const [view, share] of shares.entries()) {
        const odd = odds[view] ?? NaN;
        const fourErrors = 4 * Math.sqrt((odd * (1 - odd)) / draws.length);
        expect(Math.abs(share - odd), `view ${view}`).toBeLessThanOrEqual(fourErrors); // of 0 or 1: exactly
      }
    });
  });

  it('makes of a photo the same, whatever else is in the batch', () => {
    scope(() => {
      const options = { views: requests(), config, seed: SEED };
      const whole = deviceBatch(hostOf([SIZE, SIZE]), options).views;
      const part = deviceBatch(hostOf([SIZE, SIZE], drawn.slice(2)), options).views;
      whole.forEach((view, i) =>
        expect(bytesOf(view.images.narrow(0, 2, 2))).toBe(bytesOf(part[i]?.images ?? view.images)),
      );
    });
  });

  it('gives u for v2 where g is never applied', () => {
    scope(() => {
      const [, view] = deviceBatch(hostOf([SIZE, SIZE]), {
        views: requests('zeros', { prob: 0 }),
        config,
        seed: SEED,
      }).views;
      const path = view?.path;
      if (path === undefined) throw new Error('a path');
      expect(path.theta.abs().sum().item()).toBe(0);
      expect(view?.images.sub(path.start).abs().max().item()).toBeLessThan(1e-5);
    });
  });

  describe('with transform.stage after_crop', () => {
    const staged = (stage: string, preset: string): ReturnType<typeof deviceBatch> => {
      const changed = dataConfig({ transform: { stage }, augment: { preset: preset as 'rot' | 'all' } });
      return deviceBatch(hostOf([SIZE, SIZE]), { views: requests(), config: changed, seed: SEED });
    };

    it('changes nothing where the augmentation is a flip', () => {
      scope(() => {
        const [after, before] = [staged('after_photometric', 'rot'), staged('after_crop', 'rot')].map(
          ({ views }) => views[1],
        );
        expect(bytesOf(before?.images ?? cat([]))).toBe(bytesOf(after?.images ?? cat([])));
        expect(before?.path?.states.map(bytesOf)).toEqual(after?.path?.states.map(bytesOf));
      });
    });

    it('gives all states of the path the same photometric operations after g', () => {
      scope(() => {
        const [flipOnly, all] = [staged('after_crop', 'rot'), staged('after_crop', 'all')].map(({ views }) => views[1]);
        if (flipOnly?.path === undefined || all?.path === undefined) throw new Error('paths');
        const plans = plansOf(1).map((plan) => ({ ...plan, isFlipped: false }));
        const pairs = [flipOnly.images, flipOnly.path.start, ...flipOnly.path.states].map(
          (images, i) => [images, [all.images, all.path?.start, ...(all.path?.states ?? [])][i]] as const,
        );
        // All states are one batch there: another place in it can be another kernel's, which rounds differently.
        for (const [plain, augmented] of pairs) expectClose(augmented ?? plain, applyPhotometric(plain, plans));
        expect(all.path.valid.map(bytesOf)).toEqual(flipOnly.path.valid.map(bytesOf));
        const [, other] = staged('after_photometric', 'all').views;
        expect(bytesOf(other?.images ?? cat([]))).not.toBe(bytesOf(all.images));
      });
    });
  });

  it('copies the pixels and leaves no tensor behind', () => {
    const before = memory.stats().liveTensors;
    scope(() => {
      const host = hostOf([SIZE, SIZE]);
      const { views } = deviceBatch(host, {
        views: requests(),
        config: dataConfig({ augment: { preset: 'none' } }),
        seed: SEED,
      });
      const first = views[0]?.images;
      const bytes = bytesOf(first ?? cat([]));
      host.views[0]?.fill(0);
      expect(bytesOf(first ?? cat([]))).toBe(bytes);
    });
    expect(memory.stats().liveTensors).toBe(before);
  });

  it('says what is wrong when the batch has fewer views than are asked for', () => {
    expect(() => deviceBatch(hostOf([SIZE]), { views: requests(), config, seed: SEED })).toThrow(
      'internal: deviceBatch: the feed has no view 1',
    );
  });
});
