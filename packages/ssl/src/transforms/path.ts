/**
 * The path of a transformation, rendered: u, u_1 .. u_K and v2, each straight from the canvas and never from one another.
 *
 * B images, C canvas side, S view side, K intermediate states, P parameters.
 */
import { fullLike, ones, scope, type Tensor } from '@halfway/torch';
import { mapChunksAll } from './chunks.js';
import { cropCenter } from './cropCenter.js';
import type { Fill, Transformation } from './transformation.js';

export interface PathOptions {
  /** K. */
  readonly intermediates: number;
  /** With `content` the canvas must reach as far as g can show. */
  readonly fill: Fill;
  /** S, side of the view: the central part of the canvas. */
  readonly sizePx: number;
}

/** The states between u and v2. `valid` is 1 where a pixel's source lies inside the photo, else 0. */
export interface TransformationPath {
  readonly theta: Tensor; // [B, P]
  readonly start: Tensor; // u [B, 3, S, S]
  readonly states: readonly Tensor[]; // u_1 .. u_K, each [B, 3, S, S]
  readonly valid: readonly Tensor[]; // one per state, [B, 1, S, S]
}

/** A rendered path and its end v2 = g_theta(u), f32 [B, 3, S, S]. */
export interface RenderedPath extends TransformationPath {
  readonly end: Tensor;
}

/**
 * u_k = g_{theta_k}(u), theta_k = at(theta, k / (K + 1)), and v2 = g_theta(u) (arXiv 2503.18753v2, section 3).
 *
 * A photometric g sees the canvas before the view is cut from it. The masks are views of one 1 where nothing lies outside.
 * @param canvas f32 [B, 3, C, C] in [0, 1], C - S even; C = S unless g moves content in from around the view
 * @param theta f32 [B, P]
 * @throws RangeError when `content` is asked of a canvas that is too small.
 */
export function renderPath(
  canvas: Tensor,
  theta: Tensor,
  transformation: Transformation,
  { intermediates, fill, sizePx }: PathOptions,
): RenderedPath {
  const [batch = 0, , sidePx = 0] = canvas.shape;
  const needsSurroundings = transformation.geometric && fill === 'content';
  const neededPx = transformation.canvasPx(sizePx);
  if (needsSurroundings && sidePx < neededPx) {
    throw new RangeError(
      `renderPath: ${transformation.name} with fill content must have a canvas of ${neededPx} px for a view of ${sizePx} px, got ${sidePx} px`,
    );
  }
  const visible = fill === 'content' ? 'zeros' : fill;
  const thetas = Array.from({ length: intermediates }, (_, k) =>
    transformation.at(theta, (k + 1) / (intermediates + 1)),
  );
  // All states of some images before the next images: their canvas is read once from memory.
  const rendered = mapChunksAll(canvas, (part, first, end) =>
    [...thetas, theta].map((at) =>
      cropCenter(transformation.apply(part, at.narrow(0, first, end - first), visible, sizePx), sizePx),
    ),
  );
  const [v2] = rendered.slice(-1);
  if (v2 === undefined) throw new Error('internal: renderPath: nothing rendered');
  const showsOutside = transformation.geometric && fill !== 'content';
  const allValid = ones([1], { device: canvas.device }).expand([batch, 1, sizePx, sizePx]);
  return {
    theta,
    start: cropCenter(canvas, sizePx),
    states: rendered.slice(0, -1),
    valid: thetas.map((at) => (showsOutside ? validRegion(transformation, at, canvas, sizePx) : allValid)),
    end: v2,
  };
}

const GRAY = 0.5; // far from 0 and 1, where a cubic's overshoot would be clamped away
const VALID_TOLERANCE = 5e-4; // of gray: what taps from outside may weigh; more than rounding, less than can be seen

/**
 * 1 where every tap of g_theta lies inside images [B, C, H, W], else 0: f32 [B, 1, S, S]. For geometric transformations.
 * It is where g shows a gray image on black as the same gray, so it holds for any of them.
 */
export function validRegion(transformation: Transformation, theta: Tensor, images: Tensor, sizePx: number): Tensor {
  return scope(() => {
    const shown = transformation.apply(fullLike(images.narrow(1, 0, 1), GRAY), theta, 'zeros', sizePx);
    return cropCenter(shown, sizePx).sub(GRAY).abs_().lt(VALID_TOLERANCE).to('float32');
  });
}
