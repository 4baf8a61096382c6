/**
 * Several views through encoder and adapter in as few passes as their sizes allow.
 *
 * V views, B images, N patches, d features.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { ForwardContext } from '@halfway/torch/nn';
import { zip } from '../pairs.js';
import type { AdaptedTokens, Adapter } from './adapter.js';
import type { Encoder } from './encoder.js';

/** A view as the encoder takes it. */
export interface EncoderInput {
  readonly images: Tensor; // normalised, f32 [B, 3, S, S]
  readonly mask?: Tensor | undefined; // bool [B, N]
}

/** A view's tokens. */
export interface EncodedView extends AdaptedTokens {
  /** The class token as the encoder gives it, before the adapter: [B, D]. */
  readonly encoderCls: Tensor;
}

/**
 * Tokens of each view, in the order given. Views of equal shape, all masked or none, are concatenated on the batch axis and share
 * one pass, which gives what separate passes give unless the encoder mixes the images of a training batch: then statistics are those of
 * all these views together, as in DINO (utils.py, MultiCropWrapper).
 * @param eachAlone a pass, and with it batch statistics, for each view
 */
export function encodeViews(
  network: { readonly encoder: Encoder; readonly adapter: Adapter },
  views: readonly EncoderInput[],
  ctx: ForwardContext,
  { eachAlone = false } = {},
): EncodedView[] {
  const groups = new Map<string, (readonly [number, EncoderInput])[]>();
  for (const [i, view] of views.entries()) {
    const key = eachAlone ? `${i}` : [...view.images.shape, view.mask === undefined].join('x');
    groups.set(key, [...(groups.get(key) ?? []), [i, view]]);
  }
  const result: EncodedView[] = [];
  for (const members of groups.values()) {
    const images = torch.cat(members.map(([, view]) => view.images)); // [V*B, 3, S, S]
    const masks = members.flatMap(([, { mask }]) => (mask === undefined ? [] : [mask]));
    const mask = masks.length > 0 ? torch.cat(masks) : undefined; // [V*B, N]
    const tokens = network.encoder.forward(images, ctx, mask);
    const adapted = network.adapter.forward(tokens, ctx);
    const byView = (x: Tensor): Tensor[] => x.chunk(members.length);
    const parts = zip(byView(tokens.cls), zip(byView(adapted.cls), byView(adapted.patches)));
    for (const [[i], [encoderCls, [cls, patches]]] of zip(members, parts)) result[i] = { encoderCls, cls, patches };
  }
  return result;
}
