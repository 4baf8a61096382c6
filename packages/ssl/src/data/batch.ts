/**
 * The border between data and training: what an objective asks for, and the batch it gets.
 *
 * Everything random in a view is drawn before its pixels exist, as a pure function of (seed, epoch, index, view).
 * B images, C = 3 channels, S pixels a side, K intermediates, P transformation parameters.
 */
import type { Tensor } from '@halfway/torch';
import type { TransformationPath } from '../transforms/path.js';
import type { Fill, Transformation, UniformDraw } from '../transforms/transformation.js';

/** One view of the photo, before any transformation g. */
export interface ViewRequest {
  readonly name: string;
  readonly sizePx: number;
  /** A small crop of a small part: scale and probabilities are those of `augment.local`. */
  readonly local?: true;
  /** Present on the view that g acts on: v2 = g_theta(u) takes its place, and the path is rendered. */
  readonly transformed?: {
    readonly transformation: Transformation;
    readonly intermediates: number; // K
    readonly fill: Fill;
    /** The crop of u is the crop of the first view (docs/open-points.md, 7; docs/log.md compares both). */
    readonly sharedCrop: boolean;
  };
}

/** A view's pixels on the device, f32 in [0, 1], not yet normalised, and the parameters that made them. */
export interface View {
  readonly name: string;
  readonly images: Tensor; // [B, 3, S, S]; for a transformed view this is v2 = g_theta(u)
  readonly path?: TransformationPath;
  /** Patches that the student does not see, bool [B, N], row-major over the grid. */
  readonly mask?: Tensor;
  /** How many those are in all, where it is known: a device would have to be waited for. */
  readonly numMasked?: number;
  /** What a teacher sees in the place of `images`, of the same shape. */
  readonly teacherImages?: Tensor;
}

/**
 * Masks of a batch as plain numbers, before any pixel exists: per view u8 [B * N] of 1 (hidden) and 0, or undefined for a view
 * without a mask. `drawOf` gives the stream of uniform numbers of an image's view.
 */
export type PlanMasks = (
  drawOf: (image: number, view: number) => UniformDraw,
  numImages: number,
) => readonly (Uint8Array | undefined)[];

/** One step's data on the device. `indices` are positions in the source, for reports. */
export interface DeviceBatch {
  readonly views: readonly View[];
  readonly indices: Int32Array; // [B]
}
