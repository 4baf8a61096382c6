/** The pair of views v1 and v2 = g_theta(u): how it is asked for, and where it is found in a batch. */
import type { DeviceBatch, View, ViewRequest } from '../data/batch.js';
import { ConfigError } from '../errors.js';
import type { TransformationPath } from '../transforms/path.js';

/** What g does to a view. */
export type TransformedRequest = NonNullable<ViewRequest['transformed']>;

/**
 * The views with the second one as `wanted`. A base that transforms its second view itself, without a path, gets the path of the same
 * transformation.
 * Throws Error when there is no second view of the first's size or a task has asked for its path already, ConfigError when the base needs
 * another g.
 */
export function requestPath(views: readonly ViewRequest[], wanted: TransformedRequest): readonly ViewRequest[] {
  const [first, second, ...others] = views;
  const own = second?.transformed;
  if (first === undefined || second?.sizePx !== first.sizePx) {
    const sizes = views.map(({ name, sizePx }) => `${name} ${sizePx} px`).join(', ') || 'none';
    throw new Error(`internal: withTask: needs two views of equal size, got ${sizes}`);
  }
  if (own === undefined) return [first, { ...second, transformed: wanted }, ...others];
  if (own.intermediates > 0) throw new Error('internal: withTask: the second view has a path already, of another task');
  if (describe(own) !== describe(wanted)) {
    const isOtherMotion = own.transformation.name !== wanted.transformation.name;
    const path = isOtherMotion ? 'recon.target' : own.fill !== wanted.fill ? 'recon.fill' : 'recon.sharedCrop';
    throw new ConfigError(
      `${path}: must be as in what the objective does to its second view itself, ${describe(own)}, got ${describe(wanted)}; ` +
        'a task reconstructs the states of that',
      path,
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
