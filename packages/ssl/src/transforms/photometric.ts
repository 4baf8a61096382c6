/**
 * The photometric augmentation of a batch: every image by its own plan, every operation once for all images that get it.
 *
 * Images that get the same operation are copied next to each other and changed there; the order of the batch is restored at
 * the end. (Writing rows back to where they were costs five times as much.) What an operation makes on its way is freed at
 * once, so that all of it stays in the processor's cache.
 * B images, H and W pixels.
 */
import { scope, type Tensor, tensor } from '@halfway/torch';
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
 * @returns the same shape and range; `images` itself where nothing is planned
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

function applyToPart(images: Tensor, plans: readonly PhotometricPlan[]): Tensor {
  return scope(() => {
    let rows: Rows = { images, isOwn: false, positions: plans.map((_, position) => position), plans };
    for (const choices of STAGES) rows = change(rows, choices);
    return restore(rows).images;
  });
}

/** What is done to some images at once. */
interface Operation {
  readonly apply: (images: Tensor, plans: readonly PhotometricPlan[]) => Tensor;
}

/** The operation that a plan asks for at some point, if any. */
type Choice = (plan: PhotometricPlan) => Operation | undefined;

const JITTER: Readonly<Record<JitterOp, Operation>> = {
  brightness: { apply: (images, plans) => adjustBrightness(images, amounts(images, plans, 'brightness')) },
  contrast: { apply: (images, plans) => adjustContrast(images, amounts(images, plans, 'contrast')) },
  saturation: { apply: (images, plans) => adjustSaturation(images, amounts(images, plans, 'saturation')) },
  hue: { apply: (images, plans) => adjustHue(images, amounts(images, plans, 'hue')) },
};
const GRAY: Operation = { apply: grayscale };
const BLUR: Operation = {
  apply: (images, plans) => {
    const radiusPx = Math.max(...plans.map(({ blur }) => blur?.radiusPx ?? 0));
    return gaussianBlur(
      images,
      numbers(images, plans, ({ blur }) => blur?.sigmaPx),
      radiusPx,
    );
  },
};
const SOLARIZE: Operation = { apply: solarize };
const FLIP: Operation = { apply: (images) => images.flip([3]) };

const jitterAt =
  (slot: number): Choice =>
  ({ jitter }) => {
    const op = jitter?.order[slot];
    return op && JITTER[op];
  };

// Each stage brings the images into a new order once. The flip acts last: it goes with every other operation.
const STAGES: readonly (readonly Choice[])[] = [
  [jitterAt(0)],
  [jitterAt(1)],
  [jitterAt(2)],
  [jitterAt(3)],
  [
    ({ isGray }) => (isGray ? GRAY : undefined),
    ({ blur }) => blur && BLUR,
    ({ isSolarized }) => (isSolarized ? SOLARIZE : undefined),
    ({ isFlipped }) => (isFlipped ? FLIP : undefined),
  ],
];

/** Images in some order: `images[i]` is the one at `positions[i]` of the batch, and `plans[i]` is its plan. */
interface Rows {
  readonly images: Tensor; // [B, 3, H, W]
  /** Whether the images are a copy made here, which may be written to. */
  readonly isOwn: boolean;
  readonly positions: readonly number[];
  readonly plans: readonly PhotometricPlan[];
}

/** Sorts the images by all choices, the first first, then makes each choice for every run of images that agree in it. */
function change(rows: Rows, choices: readonly Choice[]): Rows {
  const isUnchanged = choices.every((choose) => rows.plans.every((plan) => choose(plan) === undefined));
  if (isUnchanged) return rows;
  const sorted = arrange(rows, sortedOrder(rows.plans, choices));
  for (const choose of choices) {
    for (let first = 0; first < sorted.plans.length;) {
      const operation = choose(at(sorted.plans, first));
      let end = first + 1;
      while (end < sorted.plans.length && choose(at(sorted.plans, end)) === operation) end += 1;
      if (operation !== undefined) changeRun(sorted, operation, first, end);
      first = end;
    }
  }
  return sorted;
}

function changeRun({ images, plans }: Rows, operation: Operation, first: number, end: number): void {
  scope(() => {
    const run = images.narrow(0, first, end - first);
    run.copy_(operation.apply(run, plans.slice(first, end)));
  });
}

/** Rows such that those with the same choices follow each other. */
function sortedOrder(plans: readonly PhotometricPlan[], choices: readonly Choice[]): number[] {
  let groups = [plans.map((_, row) => row)];
  for (const choose of choices) {
    groups = groups.flatMap((rows) => {
      const parts = new Map<Operation | undefined, number[]>();
      for (const row of rows) {
        const operation = choose(at(plans, row));
        const part = parts.get(operation);
        if (part === undefined) parts.set(operation, [row]);
        else part.push(row);
      }
      return [...parts.values()];
    });
  }
  return groups.flat();
}

/** The rows in the given order, as a copy of their own; the copy that they were before is freed. */
function arrange(rows: Rows, order: readonly number[]): Rows {
  if (rows.isOwn && order.every((row, place) => row === place)) return rows;
  const index = tensor(Int32Array.from(order), { device: rows.images.device });
  const images = rows.images.indexSelect(0, index);
  if (rows.isOwn) rows.images.dispose();
  return {
    images,
    isOwn: true,
    positions: order.map((row) => at(rows.positions, row)),
    plans: order.map((row) => at(rows.plans, row)),
  };
}

/** The rows in the order of the batch. */
function restore(rows: Rows): Rows {
  if (!rows.isOwn) return rows;
  const order: number[] = [];
  rows.positions.forEach((position, row) => (order[position] = row));
  return arrange(rows, order);
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`internal: entry ${index} of ${values.length}`);
  return value;
}

function amounts(images: Tensor, plans: readonly PhotometricPlan[], op: JitterOp): Tensor {
  return numbers(images, plans, ({ jitter }) => jitter?.amount[op]);
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
