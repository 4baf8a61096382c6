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

/**
 * Tokens of each view, in the order given. Views of equal shape are concatenated on the batch axis and share one pass;
 * nothing in encoder or adapter mixes images, so the result is that of separate passes.
 *
 * @param views normalised images, each f32 [B, 3, S, S]
 */
export function encodeViews(
  network: { readonly encoder: Encoder; readonly adapter: Adapter },
  views: readonly Tensor[],
  ctx: ForwardContext,
): AdaptedTokens[] {
  const groups = new Map<string, (readonly [number, Tensor])[]>();
  for (const [i, view] of views.entries()) {
    const key = view.shape.join('x');
    groups.set(key, [...(groups.get(key) ?? []), [i, view]]);
  }
  const result: AdaptedTokens[] = [];
  for (const members of groups.values()) {
    const images = torch.cat(
      members.map(([, view]) => view),
      0,
    ); // [V*B, 3, S, S]
    const { cls, patches } = network.adapter.forward(network.encoder.forward(images, ctx), ctx);
    const byView = zip(cls.chunk(members.length), patches.chunk(members.length));
    for (const [[i], [cls, patches]] of zip(members, byView)) result[i] = { cls, patches };
  }
  return result;
}
