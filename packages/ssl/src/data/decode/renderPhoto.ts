/**
 * Crops and resizes of a decoded photo, in uint8, by the engine's antialiased bicubic: PIL's values, but for one level in
 * fewer than one byte of a hundred (weights of 16 bits against 22). The same on every CPU.
 *
 * Runs in the decode processes, single-threaded. H, W photo pixels, C canvas pixels, S square pixels.
 */
import { fromBytes, keep, scope, type Tensor } from '@halfway/torch';
import { uniformStream } from '../../transforms/philox.js';
import type { CropBox, CropRequest, PhotoSize, SquarePlan } from '../views/plan.js';
import { planCrops, planSquare } from '../views/plan.js';
import type { Ring } from '../ring.js';
import type { Photo } from './decodePhoto.js';
import type { RenderJob, RenderRequest } from './messages.js';

/** A decoded photo in the engine's memory, upright: u8 [H, W, 3], row after row, outside all scopes until it is disposed. */
export interface UprightPhoto extends PhotoSize {
  readonly pixels: Tensor; // [H, W, 3]
  readonly bytes: number;
}

/**
 * Copies a decoded photo into the engine and turns it upright by its EXIF orientation.
 * Source: Exif 2.3 section 4.6.4; the turns equal PIL's ImageOps.exif_transpose.
 */
export function uprightPhoto({ data, widthPx, heightPx, orientation }: Photo): UprightPhoto {
  const pixels = scope(() => {
    const stored = fromBytes(data, [heightPx, widthPx, 3], 'uint8');
    const turned = orientation >= 5 ? stored.transpose(0, 1) : stored;
    const flipped = flipsOf(orientation);
    // A flip keeps the order of a transposed photo in memory, where `resizeBox` reads rows.
    return keep((flipped.length > 0 ? turned.flip(flipped) : turned).contiguous());
  });
  const [height = 0, width = 0] = pixels.shape;
  return { pixels, widthPx: width, heightPx: height, bytes: data.length };
}

/** Axes (0 rows, 1 columns) to reverse after rows and columns changed places where orientation is 5 or more. */
function flipsOf(orientation: number): number[] {
  switch (orientation) {
    case 2:
    case 6:
      return [1];
    case 3:
    case 7:
      return [0, 1];
    case 4:
    case 8:
      return [0];
    default:
      return [];
  }
}

/** Renders what `request` asks of a photo into the job's slot of the ring. */
export function renderPhoto(
  photo: UprightPhoto,
  request: RenderRequest,
  job: RenderJob,
  ring: Ring,
  bank: number,
): void {
  ring.setPhoto(bank, job.slot, photo);
  switch (request.kind) {
    case 'views':
      renderViews(photo, request, job, ring, bank);
      return;
    case 'square':
      ring.image(bank, job.slot, 0).set(renderSquare(photo, planSquare(photo, request.sizePx), request.sizePx));
      return;
    case 'measure':
      return;
    default:
      request satisfies never;
  }
}

function renderViews(
  photo: UprightPhoto,
  request: Extract<RenderRequest, { kind: 'views' }>,
  job: RenderJob,
  ring: Ring,
  bank: number,
): void {
  const { views, augment, seed } = request;
  const boxes = planCrops(photo, views, augment, (view) =>
    uniformStream(seed, job.epoch, job.drawnIndex, view, 'crop'),
  );
  const sharing = views.findIndex((view) => view.sharesWithFirst);
  scope(() => {
    boxes.forEach((box, i) => {
      const { canvasPx } = viewAt(views, i);
      ring.box(bank, job.slot, i).set([box.x, box.y, box.width, box.height]);
      if (i === 0 && sharing > 0) return;
      const canvas = resizeBox(photo, box, canvasPx, canvasPx);
      ring.image(bank, job.slot, i).set(planar(canvas));
      if (i === sharing) ring.image(bank, job.slot, 0).set(planar(centre(canvas, viewAt(views, 0).sizePx)));
    });
  });
}

function viewAt(views: readonly CropRequest[], i: number): CropRequest {
  const view = views[i];
  if (view === undefined) throw new Error(`internal: view ${i} of ${views.length}`);
  return view;
}

/** The central square of a photo, u8 [3, S, S]. */
function renderSquare(photo: UprightPhoto, plan: SquarePlan, sizePx: number): Uint8Array {
  return scope(() => {
    const resized = resizeBox(photo, plan.part, plan.resized.heightPx, plan.resized.widthPx); // [1, 3, H', W']
    return planar(resized.narrow(2, plan.y, sizePx).narrow(3, plan.x, sizePx));
  });
}

/** A box of the photo, resized by antialiased bicubic (a = -0.5), u8 [1, 3, height, width]. */
export function resizeBox(photo: UprightPhoto, box: CropBox, heightPx: number, widthPx: number): Tensor {
  const rowStride = 3 * photo.widthPx;
  const shape = [1, 3, box.height, box.width];
  const strides = [rowStride * box.height, 1, rowStride, 3];
  const crop = photo.pixels.asStrided(shape, strides, rowStride * box.y + 3 * box.x); // [1, 3, h, w], one call and no copy
  return crop.upsampleBicubic2dAa([heightPx, widthPx], false);
}

function centre(canvas: Tensor, sizePx: number): Tensor {
  const start = Math.floor(((canvas.shape[2] ?? 0) - sizePx) / 2);
  return canvas.narrow(2, start, sizePx).narrow(3, start, sizePx);
}

/** Pixels in channel-row-column order. */
function planar(images: Tensor): Uint8Array {
  return images.toBytes();
}
