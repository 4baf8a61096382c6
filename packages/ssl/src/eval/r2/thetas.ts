/**
 * The transformations whose parameters are read from features, and the thetas of each photo: the same for every
 * encoder, run and split, because they follow from the photo's id and a fixed seed.
 *
 * n images, A thetas an image, P parameters.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../../config/schema.js';
import { ConfigError } from '../../errors.js';
import type { R2Parameter } from '../../protocol/report.js';
import { createTransformation } from '../../transforms/createTransformation.js';
import { uniformStream } from '../../transforms/philox.js';
import type { Transformation } from '../../transforms/transformation.js';

/** Seed of every theta of an evaluation. */
const THETA_SEED = 1729;

/** The evaluated transformation of each parameter on views of `sizePx`: always applied, whatever `prob` trained with. */
export function evaluationTransformations(
  settings: Config['transform'],
  sizePx: number,
): Readonly<Record<R2Parameter, Transformation>> {
  const transform = { ...settings, prob: 1 };
  return {
    rotation: createTransformation('rotation', transform, sizePx),
    color: createTransformation('color', transform, sizePx),
    blur: createTransformation('blur', transform, sizePx),
    translation: createTransformation('translation', transform, sizePx),
  };
}

/** Thetas of every image, f32 [n, A, P] row-major, in the transformation's own units. */
export function drawThetas(
  transformation: Transformation,
  ids: readonly string[],
  thetasPerImage: number,
): Float32Array {
  const numParameters = transformation.parameters.length;
  const thetas = new Float32Array(ids.length * thetasPerImage * numParameters);
  ids.forEach((id, image) => {
    const index = createHash('sha256').update(id, 'utf8').digest().readUInt32BE(0);
    for (let angle = 0; angle < thetasPerImage; angle++) {
      const draw = uniformStream(THETA_SEED, angle, index, 0, `eval-${transformation.name}`);
      thetas.set(transformation.sample(draw), (image * thetasPerImage + angle) * numParameters);
    }
  });
  return thetas;
}

/** The keys from which the ranges follow. */
const RANGE_KEYS = {
  rotation: 'transform.rotationDeg',
  color: 'transform.color',
  blur: 'transform.blurSigmaPx',
  translation: 'transform.translatePx',
} as const satisfies Record<R2Parameter, string>;

/**
 * R2 asks how much of a variance is explained: of a parameter that never changes there is none, and its scaling has no end.
 * @throws ConfigError where a range of an evaluated transformation is one value
 */
export function requireRanges(parameter: R2Parameter, { parameters }: Transformation): void {
  const fixed = parameters.find(({ min, max }) => !(max > min));
  if (fixed === undefined) return;
  const key = parameter === 'color' ? `${RANGE_KEYS.color}.${fixed.name}` : RANGE_KEYS[parameter];
  throw new ConfigError(
    `${key}: R2 needs a range of more than one value, got [${round(fixed.min)}, ${round(fixed.max)}] ${fixed.unit} of ${fixed.name}; ` +
      `widen it, or leave ${parameter} out of what R2 is asked`,
    key,
  );
}

/** Every parameter scaled to [-1, 1] over its range, which `requireRanges` has seen: 2 (theta - min) / (max - min) - 1. */
export function scaleThetas(transformation: Transformation, thetas: Float32Array): Float32Array {
  const specs = transformation.parameters;
  return thetas.map((value, at) => {
    const spec = specs[at % specs.length];
    if (spec === undefined) throw new RangeError(`internal: ${transformation.name} has no parameters`);
    return (2 * (value - spec.min)) / (spec.max - spec.min) - 1;
  });
}

/** The ranges in words, for the protocol and the cache. */
export function describeRanges(transformation: Transformation): string {
  const ranges = transformation.parameters.map(
    ({ name, unit, min, max }) => `${name} [${round(min)}, ${round(max)}] ${unit}`,
  );
  return `${transformation.name}: ${ranges.join(', ')}`;
}

function round(value: number): string {
  return Number(value.toFixed(4)).toString();
}
