/**
 * The photometric augmentation of a batch: every image by its own plan, every operation once for all images that get it.
 *
 * Images that get the same operation are brought next to each other, changed together and joined again; the order of the
 * batch is restored at the end. (Writing rows in place costs five times as much as copying them together.)
 * B images, H and W pixels.
 */
import { cat, scope, tensor, type Tensor } from '@halfway/torch';
import { mapChunks } from './chunks.js';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation, grayscale, solarize } from './colorAdjust.js';
import { gaussianBlur } from './gaussianBlur.js';
import type { JitterOp, PhotometricPlan } from './photometricPlan.js';

/**
 * Flip, jitter (each image's operations in its own order), gray, blur, solarize.
 *
 * On a canvas larger than the view the mean gray of the contrast is that of the canvas.
 * @param images f32 [B, 3, H, W] in [0, 1]
 * @param plans one per image
 * @returns the same shape and range
 * @throws RangeError when the numbers of images and plans differ.
 */
export function applyPhotometric(images: Tensor, plans: readonly PhotometricPlan[]): Tensor {
  if (images.shape[0] !== plans.length) {
    throw new RangeError(
      `applyPhotometric: there must be one plan per image, got ${plans.length} plans for images [${images.shape.join(', ')}]`,
    );
  }
  return mapChunks(images, (part, first, end) => applyToPart(part, plans.slice(first, end)));
}

const JITTER_SLOTS = [0, 1, 2, 3] as const;

function applyToPart(images: Tensor, plans: readonly PhotometricPlan[]): Tensor {
  return scope(() => {
    let rows: Rows = { images, positions: plans.map((_, position) => position), plans };
    rows = change(
      rows,
      ({ isFlipped }) => isFlipped || undefined,
      (some) => some.flip([3]),
    );
    for (const slot of JITTER_SLOTS) rows = change(rows, ({ jitter }) => jitter?.order[slot], applyJitter);
    rows = change(rows, ({ isGray }) => isGray || undefined, grayscale);
    rows = change(rows, ({ blur }) => blur?.radiusPx, applyBlur);
    rows = change(rows, ({ isSolarized }) => isSolarized || undefined, solarize);
    return restore(rows);
  });
}

/** Images in some order: `images[i]` is the one at `positions[i]` of the batch, and `plans[i]` is its plan. */
interface Rows {
  readonly images: Tensor; // [B, 3, H, W]
  readonly positions: readonly number[];
  readonly plans: readonly PhotometricPlan[];
}

type Operation<K> = (images: Tensor, plans: readonly PhotometricPlan[], key: K) => Tensor;

/** Applies an operation to every group of images with the same key; those without one stay as they are. */
function change<K>(rows: Rows, keyOf: (plan: PhotometricPlan) => K | undefined, operation: Operation<K>): Rows {
  const groups = new Map<K | undefined, number[]>();
  rows.plans.forEach((plan, row) => {
    const key = keyOf(plan);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  });
  const changed = [...groups.keys()].some((key) => key !== undefined);
  if (!changed) return rows;
  const sorted = arrange(rows, [...groups.values()].flat());
  let first = 0;
  const parts = [...groups].map(([key, { length }]) => {
    const part = groups.size === 1 ? sorted.images : sorted.images.narrow(0, first, length);
    const plans = sorted.plans.slice(first, first + length);
    first += length;
    return key === undefined ? part : operation(part, plans, key);
  });
  const images = parts.length === 1 && parts[0] !== undefined ? parts[0] : cat(parts);
  return { ...sorted, images };
}

/** The rows in the given order. */
function arrange(rows: Rows, order: readonly number[]): Rows {
  if (order.every((row, at) => row === at)) return rows;
  const index = tensor(order, { dtype: 'int64', device: rows.images.device });
  return {
    images: rows.images.indexSelect(0, index),
    positions: order.map((row) => at(rows.positions, row)),
    plans: order.map((row) => at(rows.plans, row)),
  };
}

/** The images in the order of the batch. */
function restore(rows: Rows): Tensor {
  const order: number[] = [];
  rows.positions.forEach((position, row) => (order[position] = row));
  return arrange(rows, order).images;
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`internal: entry ${index} of ${values.length}`);
  return value;
}

function applyJitter(images: Tensor, plans: readonly PhotometricPlan[], op: JitterOp): Tensor {
  const amount = numbers(images, plans, ({ jitter }) => jitter?.amount[op]); // [B]
  switch (op) {
    case 'brightness':
      return adjustBrightness(images, amount);
    case 'contrast':
      return adjustContrast(images, amount);
    case 'saturation':
      return adjustSaturation(images, amount);
    case 'hue':
      return adjustHue(images, amount);
    default:
      return op satisfies never;
  }
}

function applyBlur(images: Tensor, plans: readonly PhotometricPlan[], radiusPx: number): Tensor {
  return gaussianBlur(
    images,
    numbers(images, plans, ({ blur }) => blur?.sigmaPx),
    radiusPx,
  );
}

/** One number of each plan, f32 [B]. */
function numbers(
  { device }: Tensor,
  plans: readonly PhotometricPlan[],
  numberOf: (plan: PhotometricPlan) => number | undefined,
): Tensor {
  return tensor(
    Float32Array.from(plans, (plan) => numberOf(plan) ?? 0),
    { device },
  );
}
