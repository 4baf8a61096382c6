/**
 * The heart of the method: a transformation g_theta and the path that leads to it.
 *
 * The paper (arXiv 2503.18753, section 3) reconstructs u_k = g_{theta_k}(u) with theta_k = k theta / (K + 1).
 * A new transformation is one file that implements this interface; nothing else asks which one it is.
 *
 * B images, C channels, H and W pixels, P parameters.
 */
import type { Tensor } from '@halfway/torch';

/** One parameter of a transformation: theta[:, i] is drawn uniformly from [min, max]. */
export interface ParameterSpec {
  readonly name: string;
  readonly unit: 'rad' | 'px' | 'factor' | 'turn';
  readonly min: number;
  readonly max: number;
}

/** A source of uniform draws in [0, 1); each call consumes the next number of its counter-based stream. */
export type UniformDraw = () => number;

/** What a geometric transformation shows where its source lies outside the image. */
export type Fill = 'zeros' | 'mean' | 'reflect' | 'content';

/** g_theta: images f32 [B, C, H, W] in [0, 1] and theta f32 [B, P] to images of the same shape and range. */
export interface Transformation {
  readonly name: 'rotation' | 'translation' | 'se2' | 'color' | 'blur' | 'all';
  readonly parameters: readonly ParameterSpec[];
  /** True where g moves pixels, so that `fill` matters and some output pixels can come from outside the image. */
  readonly geometric: boolean;
  /** Largest side, in pixels, of the source region that an output of `sizePx` can show: the canvas for `content` fill. */
  canvasPx(sizePx: number): number;
  /** One image's theta, P numbers: planned, no pixel involved. */
  sample(draw: UniformDraw): Float32Array;
  /**
   * The parameter a fraction t of the way along the path, [B, P]; at(theta, 1) is theta, at(theta, 0) the identity (of a blur whose
   * path begins at its least sigma: that sigma).
   */
  at(theta: Tensor, t: number): Tensor;
  /**
   * g_theta(images), differentiable in images (and in theta where the formula is). With `outputPx` S only the central
   * [B, C, S, S] of it, which costs a geometric transformation less than cutting it out afterwards.
   */
  apply(images: Tensor, theta: Tensor, fill: Exclude<Fill, 'content'>, outputPx?: number): Tensor;
}
