/**
 * What lies outside the photo when it is turned or shifted: the two borders of docs/evaluation.md.
 *
 * - `inside`: I and g(I) are the central S x S of a larger rendering C x C, so no pixel from outside is ever seen.
 * - `zeros`: g acts on the S x S square itself and fills with black (the paper's likely set-up): the fill tells theta.
 *
 * B images, C canvas side, S view side in pixels.
 */
import type { Tensor } from '@halfway/torch';
import type { Border } from '../../protocol/report.js';
import { cropCenter } from '../../transforms/cropCenter.js';
import type { Transformation } from '../../transforms/transformation.js';

/**
 * Side of the rendering for `inside`: at least ceil(S sqrt(2)) + 2 t for a shift of t pixels, and of S's parity, so that
 * the central square lies on whole pixels.
 */
export function insideCanvasPx(sizePx: number, shiftPx: number): number {
  const least = Math.ceil(sizePx * Math.SQRT2) + Math.ceil(2 * shiftPx);
  return least + ((least - sizePx) % 2);
}

/** Side of the rendering from which a border cuts its views. */
export function renderingPx(border: Border, sizePx: number, shiftPx: number): number {
  switch (border) {
    case 'inside':
      return insideCanvasPx(sizePx, shiftPx);
    case 'zeros':
      return sizePx;
    default:
      return border satisfies never;
  }
}

/** I: the central S x S of renderings f32 [B, 3, C, C]. */
export function originalView(renderings: Tensor, sizePx: number): Tensor {
  return cropCenter(renderings, sizePx); // [B, 3, S, S]
}

/** g_theta(I): g on the whole rendering, black outside it, then the central S x S. */
export function transformedView(
  renderings: Tensor,
  theta: Tensor,
  transformation: Transformation,
  sizePx: number,
): Tensor {
  return cropCenter(transformation.apply(renderings, theta, 'zeros', sizePx), sizePx); // [B, 3, S, S]
}
