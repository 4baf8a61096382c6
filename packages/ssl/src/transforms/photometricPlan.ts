/**
 * What the photometric augmentation does to one image: numbers only, drawn before any pixel exists.
 * Source: DINO's `DataAugmentationDINO` and iBOT's `DataAugmentationiBOT`; parameters of torchvision's `ColorJitter`.
 */
import type { Config } from '../config/schema.js';
import { blurRadiusPx } from './gaussianBlur.js';
import type { UniformDraw } from './transformation.js';

export type JitterOp = 'brightness' | 'contrast' | 'saturation' | 'hue';

/** The jitter of one image: operations in the order in which they act, and the value of each. */
export interface JitterPlan {
  /** Without the operations whose range is a point. */
  readonly order: readonly JitterOp[];
  /** Factors; hue in turns. */
  readonly amount: Readonly<Record<JitterOp, number>>;
}

/** A Gaussian blur in pixels of the view. */
export interface BlurPlan {
  readonly sigmaPx: number;
  /** The same for all images of a batch (of several the largest is used). */
  readonly radiusPx: number;
}

/** One image's augmentation, in the order of its members. */
export interface PhotometricPlan {
  readonly isFlipped: boolean;
  readonly jitter?: JitterPlan;
  readonly isGray: boolean;
  readonly blur?: BlurPlan;
  readonly isSolarized: boolean;
}

/** Probabilities in which the views of a photo differ. */
export interface ViewOdds {
  readonly blurProb: number;
  readonly solarizeProb: number;
}

/** Those of a view that is no local crop: the first view's, or those of every other. */
export function globalOdds({ blurProb, solarizeProb }: Config['augment'], view: 0 | 1): ViewOdds {
  return { blurProb: blurProb[view], solarizeProb: solarizeProb[view] };
}

const UNCHANGED: PhotometricPlan = { isFlipped: false, isGray: false, isSolarized: false };

// The size of the model's views at which the blur's pixels are stated.
const PAPER_VIEW_PX = 224;
// Below it a neighbour weighs less than 2e-4 and a blur moves no pixel by half of one of 256 levels: it is left out.
const SMALLEST_SIGMA_PX = 0.24;

/**
 * Draws the plan of one image. Preset `none`: nothing; `rot`: the flip only; `all`: everything. Takes 13 draws whatever the
 * preset and the outcome, so that two runs that differ in one probability share every other draw.
 *
 * @param odds of the view
 * @param modelPx side of the model's views, to which the blur is scaled: that of a local crop is as large, in pixels
 */
export function planPhotometric(
  draw: UniformDraw,
  augment: Config['augment'],
  odds: ViewOdds,
  modelPx: number,
): PhotometricPlan {
  const isFlipped = draw() < augment.flipProb;
  const isJittered = draw() < augment.jitterProb;
  const jitter = drawJitter(draw, augment);
  const isGray = draw() < augment.grayProb;
  const isBlurred = draw() < odds.blurProb;
  const blur = drawBlur(draw, augment, modelPx);
  const isSolarized = draw() < odds.solarizeProb;
  switch (augment.preset) {
    case 'none':
      return UNCHANGED;
    case 'rot':
      return { ...UNCHANGED, isFlipped };
    case 'all':
      return {
        isFlipped,
        ...(isJittered && jitter.order.length > 0 && { jitter }),
        isGray,
        ...(isBlurred && blur.sigmaPx >= SMALLEST_SIGMA_PX && { blur }),
        isSolarized,
      };
    default:
      return augment.preset satisfies never;
  }
}

type JitterRanges = Pick<Config['augment'], JitterOp>;

/** Factors from U(1 - x, 1 + x), hue from U(-x, x), order a uniform permutation: 4 + 3 draws. */
function drawJitter(draw: UniformDraw, ranges: JitterRanges): JitterPlan {
  const between = (limit: number): number => limit * (2 * draw() - 1);
  const amount = {
    brightness: 1 + between(ranges.brightness),
    contrast: 1 + between(ranges.contrast),
    saturation: 1 + between(ranges.saturation),
    hue: between(ranges.hue),
  };
  const remaining: JitterOp[] = ['brightness', 'contrast', 'saturation', 'hue'];
  const order: JitterOp[] = [];
  while (remaining.length > 1) order.push(...remaining.splice(Math.floor(draw() * remaining.length), 1));
  order.push(...remaining);
  return { order: order.filter((op) => ranges[op] > 0), amount };
}

type BlurRanges = Pick<Config['augment'], 'blurSigmaPx' | 'blurKernelPx'>;

/** Sigma from U(low, high): 1 draw. */
function drawBlur(draw: UniformDraw, { blurSigmaPx, blurKernelPx }: BlurRanges, modelPx: number): BlurPlan {
  const scale = modelPx / PAPER_VIEW_PX;
  const [low, high] = blurSigmaPx;
  const kernelRadiusPx = Math.max(1, Math.round(((blurKernelPx - 1) / 2) * scale));
  const radiusPx = blurKernelPx === 0 ? blurRadiusPx(high * scale) : kernelRadiusPx;
  return { sigmaPx: (low + (high - low) * draw()) * scale, radiusPx };
}
