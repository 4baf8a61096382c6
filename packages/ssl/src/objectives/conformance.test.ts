import { configSchema } from '../config/schema.js';
import type { Config } from '../config/schema.js';
import { createObjective } from './create.js';
import { objectiveConformance } from './objective.case.js';

const SMALL = {
  model: { size: 'custom', widthDim: 16, depth: 2, numHeads: 2, patch: 4, imagePx: 12 },
  split: { dim: 12, equivariantDim: 5 },
  vicreg: { expander: [10, 8] },
  decoder: { channels: 8, activation: 'gelu' }, // relu can die with so few channels
} as const;

const smallConfig = (recon: Partial<Config['recon']>, rest: object = {}): Config =>
  configSchema.parse({ ...SMALL, ...rest, recon });

objectiveConformance('vicreg', {
  make: (rng) => createObjective(smallConfig({}), rng),
  figures: [],
});
objectiveConformance('vicreg, class token, both parts regularized', {
  make: (rng) =>
    createObjective(smallConfig({}, { vicreg: { expander: [10, 8], pool: 'cls', regularizeEqui: true } }), rng),
  figures: [],
});
for (const target of ['rotation', 'translation', 'se2'] as const) {
  objectiveConformance(`vicreg + reconstruction of ${target}`, {
    make: (rng) => createObjective(smallConfig({ target }), rng),
    figures: ['reconInside', 'reconOutside'],
  });
}
for (const target of ['color', 'blur'] as const) {
  objectiveConformance(`vicreg + reconstruction of ${target}`, {
    make: (rng) => createObjective(smallConfig({ target }), rng),
    figures: ['reconInside'],
  });
}
objectiveConformance('vicreg + reconstruction, content fill, every switch away from its default', {
  make: (rng) =>
    createObjective(
      smallConfig(
        {
          ...{ target: 'rotation', fill: 'content', includeFinal: true, maskOutside: true, reduction: 'sum_pixels' },
          ...{ space: 'patch_norm', concat: 'token', source: 'student_v2_only', intermediates: 1, warmupFraction: 0.5 },
        },
        { split: { dim: 12, equivariantDim: 5, equiFirst: true, clsEqui: 'broadcast' } },
      ),
      rng,
    ),
  figures: ['reconInside'],
});
