/**
 * Where each view is cut from a photo: pure numbers, drawn before any pixel exists.
 *
 * Boxes are in pixels of the upright photo, whole numbers. A plan is a function of the photo's size and of the streams of its
 * views, so that decode processes, a resume or another machine plan alike. Flips belong to the photometric plan.
 * Source: torchvision RandomResizedCrop.get_params, Resize and CenterCrop.
 */
import type { Config } from '../../config/schema.js';
import type { UniformDraw } from '../../transforms/transformation.js';

export interface PhotoSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** A rectangle of the photo; never reaches outside it. */
export interface CropBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What is cut for one view. The view itself is the central `sizePx` of `canvasPx`. */
export interface CropRequest {
  readonly sizePx: number;
  /** Side that is rendered: larger than `sizePx` where a transformation with `content` fill needs the surroundings. */
  readonly canvasPx: number;
  /** This view's crop is the first view's: both show the same square of the photo. */
  readonly sharesWithFirst: boolean;
  /** Area of the crop over the photo, [low, high]. */
  readonly cropScale: readonly [number, number];
}

/** The keys of `augment` that say where views are cut. */
export interface CropAugment extends Pick<Config['augment'], 'preset'> {
  readonly cropRatio: readonly [number, number];
}

const MAX_TRIES = 10;

/**
 * Plans the canvases of all views of one photo: box i is resized to `views[i].canvasPx` squared.
 *
 * A view is first cut as torchvision's random resized crop (preset `none`: the central square). For a larger canvas the box then
 * grows about its centre by canvasPx / sizePx and moves inside the photo. Where it is larger than the photo, box and canvas shrink
 * together, so the view shows a smaller part of the photo than was drawn, and never a pixel from outside. With `content` fill
 * the largest view is therefore the photo's short side times sizePx / canvasPx. Where a view shares the first view's crop, the
 * first view is the centre of that canvas, so what the photo's border takes from one it takes from both.
 *
 * @param drawOf the stream of uniform numbers of view i for its crop
 */
export function planCrops(
  photo: PhotoSize,
  views: readonly CropRequest[],
  augment: CropAugment,
  drawOf: (view: number) => UniformDraw,
): CropBox[] {
  const drawn: CropBox[] = [];
  views.forEach((view, i) => {
    const base = view.sharesWithFirst ? drawn[0] : undefined;
    drawn.push(base ?? planCrop(photo, view.cropScale, augment, drawOf(i)));
  });
  const boxes = drawn.map((box, i) => growInside(box, growthOf(views[i]), photo));
  const sharing = views.findIndex((view) => view.sharesWithFirst);
  const shared = boxes[sharing];
  if (shared !== undefined) boxes[0] = growInside(shared, 1 / growthOf(views[sharing]), photo);
  return boxes;
}

function growthOf(view: CropRequest | undefined): number {
  return view === undefined ? 1 : view.canvasPx / view.sizePx;
}

function planCrop(
  photo: PhotoSize,
  cropScale: CropRequest['cropScale'],
  augment: CropAugment,
  draw: UniformDraw,
): CropBox {
  switch (augment.preset) {
    case 'none':
      return centralSquare(photo);
    case 'rot':
    case 'all':
      return randomResizedCrop(photo, cropScale, augment.cropRatio, draw);
    default:
      return augment.preset satisfies never;
  }
}

/**
 * torchvision's random resized crop: up to ten times area = W H U(scale), ratio = exp(U(ln ratio)), width = round(sqrt(area ratio)),
 * height = round(sqrt(area / ratio)), accepted when it fits, at a uniform position; else the largest central box of an allowed ratio.
 */
export function randomResizedCrop(
  { widthPx, heightPx }: PhotoSize,
  scale: readonly [number, number],
  ratio: readonly [number, number],
  draw: UniformDraw,
): CropBox {
  const area = widthPx * heightPx;
  const [logLow, logHigh] = [Math.log(ratio[0]), Math.log(ratio[1])];
  for (let i = 0; i < MAX_TRIES; i++) {
    const targetArea = area * (scale[0] + (scale[1] - scale[0]) * draw());
    const aspect = Math.exp(logLow + (logHigh - logLow) * draw());
    const width = roundHalfEven(Math.sqrt(targetArea * aspect));
    const height = roundHalfEven(Math.sqrt(targetArea / aspect));
    if (width < 1 || height < 1 || width > widthPx || height > heightPx) continue;
    const y = Math.floor(draw() * (heightPx - height + 1));
    const x = Math.floor(draw() * (widthPx - width + 1));
    return { x, y, width, height };
  }
  return centralBox({ widthPx, heightPx }, ratio);
}

function centralBox({ widthPx, heightPx }: PhotoSize, ratio: readonly [number, number]): CropBox {
  const aspect = widthPx / heightPx;
  let [width, height] = [widthPx, heightPx];
  if (aspect < ratio[0]) height = Math.min(heightPx, Math.max(1, roundHalfEven(width / ratio[0])));
  else if (aspect > ratio[1]) width = Math.min(widthPx, Math.max(1, roundHalfEven(height * ratio[1])));
  return { x: Math.floor((widthPx - width) / 2), y: Math.floor((heightPx - height) / 2), width, height };
}

function centralSquare({ widthPx, heightPx }: PhotoSize): CropBox {
  const side = Math.min(widthPx, heightPx);
  return { x: Math.floor((widthPx - side) / 2), y: Math.floor((heightPx - side) / 2), width: side, height: side };
}

/** The box grown about its centre by `factor`, moved and if need be shrunk to lie inside the photo. */
function growInside(box: CropBox, factor: number, { widthPx, heightPx }: PhotoSize): CropBox {
  if (factor === 1) return box;
  const shrink = Math.min(1, widthPx / (box.width * factor), heightPx / (box.height * factor));
  const width = Math.min(widthPx, Math.max(1, Math.round(box.width * factor * shrink)));
  const height = Math.min(heightPx, Math.max(1, Math.round(box.height * factor * shrink)));
  const x = Math.round(box.x + box.width / 2 - width / 2);
  const y = Math.round(box.y + box.height / 2 - height / 2);
  return { x: clamp(x, 0, widthPx - width), y: clamp(y, 0, heightPx - height), width, height };
}

/** Evaluation's fixed view: the photo resized to `resized`, then its central square of `sizePx` at (x, y). */
export interface SquarePlan {
  /** Part of the photo that is resized: all of it, but for photos longer than MAX_SQUARE_ASPECT to 1. */
  readonly part: CropBox;
  readonly resized: PhotoSize;
  readonly x: number;
  readonly y: number;
}

const MAX_SQUARE_ASPECT = 4; // the rest of a longer strip is far from the square and would cost memory without bound

/**
 * torchvision's Resize(sizePx) and CenterCrop(sizePx): the short side becomes sizePx, the long one trunc(sizePx long / short).
 */
export function planSquare({ widthPx, heightPx }: PhotoSize, sizePx: number): SquarePlan {
  const short = Math.min(widthPx, heightPx);
  const width = Math.min(widthPx, short * MAX_SQUARE_ASPECT);
  const height = Math.min(heightPx, short * MAX_SQUARE_ASPECT);
  const part = { x: Math.floor((widthPx - width) / 2), y: Math.floor((heightPx - height) / 2), width, height };
  const scaled = (side: number): number => Math.trunc((sizePx * side) / short);
  const resized = { widthPx: scaled(width), heightPx: scaled(height) };
  return {
    part,
    resized,
    x: roundHalfEven((resized.widthPx - sizePx) / 2),
    y: roundHalfEven((resized.heightPx - sizePx) / 2),
  };
}

/** Python's round: halves go to the even neighbour. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const isHalf = value - floor === 0.5;
  return isHalf && floor % 2 === 0 ? floor : Math.round(value);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
