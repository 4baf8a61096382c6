/** The pair of views v1 and v2 = g_theta(u): how it is asked for, and where it is found in a batch. */
import type { DeviceBatch, View, ViewRequest } from '../data/batch.js';
import { ConfigError } from '../errors.js';
import type { TransformationPath } from '../transforms/path.js';

/** What g does to a view. */
export type TransformedRequest = NonNullable<ViewRequest['transformed']>;

/**
 * The views with the second one as `wanted`. A base that transforms its second view itself, without a path, gets the path of the same
 * transformation.
 * Throws Error when there is no second view of the first's size or it has a path already, ConfigError when the base needs another g.
 */
export function requestPath(views: readonly ViewRequest[], wanted: TransformedRequest): readonly ViewRequest[] {
  const [first, second, ...others] = views;
  const own = second?.transformed;
  if (!first || !second || (own?.intermediates ?? 0) > 0 || first.sizePx !== second.sizePx) {
    const sizes = views.map(({ name, sizePx }) => `${name} ${sizePx} px`).join(', ') || 'none';
    throw new Error(
      `reconstruct: needs two plain views of equal size, got ${sizes}; add the task to such an objective`,
    );
  }
  if (own && describe(own) !== describe(wanted)) {
    throw new ConfigError(
      `recon.target: must be the transformation that the objective needs itself, ${describe(own)}, got ${describe(wanted)}`,
      'recon.target',
    );
  }
  return [first, { ...second, transformed: wanted }, ...others];
}

function describe({ transformation, fill, sharedCrop }: TransformedRequest): string {
  return `${transformation.name} with fill ${fill}${sharedCrop ? ' from a shared crop' : ''}`;
}

/** The transformed view of a batch and its path. */
export function pathOf(batch: DeviceBatch): { readonly view: View; readonly path: TransformationPath } {
  const view = batch.views[1];
  if (!view?.path) throw new Error('internal: objectives: the second view of the batch has no path');
  return { view, path: view.path };
}
