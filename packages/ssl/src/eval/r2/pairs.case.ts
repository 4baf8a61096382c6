/** Features with a known answer, for tests of the heads. Not a test itself. */
import { cat, generator, rand, randn, scope, type Generator } from '@halfway/torch';
import type { PairSet } from './pairSet.js';

export interface SyntheticOptions {
  readonly images: number;
  readonly thetas?: number; // A
  readonly dim?: number; // D
  readonly params?: number; // P
  readonly rng: Generator;
}

/** theta is one of the features of g(I), scaled and shifted, up to noise: R2 near 1 can be reached. */
export function tellingPairs(options: SyntheticOptions, noise = 0.01): PairSet {
  return pairs(options, (target, rng) =>
    target
      .mul(3)
      .add(5)
      .add(randn(target.shape, { generator: rng }).mul(noise)),
  );
}

/** theta is in none of the features: nothing above 0 can be reached. */
export function silentPairs(options: SyntheticOptions): PairSet {
  return pairs(options, (target, rng) => randn(target.shape, { generator: rng }));
}

/** theta is the difference of a feature of g(I) and one of I: g(I) alone tells little of it. */
export function relativePairs({ images, thetas = 3, dim = 6, rng }: SyntheticOptions): PairSet {
  return scope(() => {
    const base = randn([images, dim], { generator: rng }).mul(4);
    const target = rand([images * thetas, 1], { generator: rng })
      .mul(2)
      .sub(1);
    const repeated = base.unsqueeze(1).expand([-1, thetas, -1]).reshape([-1, dim]);
    const transformed = cat([repeated.narrow(1, 0, 1).add(target), repeated.narrow(1, 1, dim - 1)], 1);
    return { base, transformed, target, thetasPerImage: thetas };
  });
}

function pairs(
  { images, thetas = 3, dim = 6, params = 2, rng }: SyntheticOptions,
  told: (target: PairSet['target'], rng: Generator) => PairSet['target'],
): PairSet {
  return scope(() => {
    const target = rand([images * thetas, params], { generator: rng })
      .mul(2)
      .sub(1);
    const others = randn([images * thetas, dim - params], { generator: rng });
    return {
      base: randn([images, dim], { generator: rng }),
      transformed: cat([told(target, rng), others], 1),
      target,
      thetasPerImage: thetas,
    };
  });
}

/** Three parts of synthetic pairs of the given sizes. */
export function partsOf(
  make: (options: SyntheticOptions) => PairSet,
  options: Partial<SyntheticOptions> = {},
  [fit, validation, test]: readonly [number, number, number] = [200, 30, 60],
): { fit: PairSet; validation: PairSet; test: PairSet } {
  const rng = options.rng ?? generator(11);
  const of = (images: number): PairSet => make({ ...options, rng, images });
  return { fit: of(fit), validation: of(validation), test: of(test) };
}
