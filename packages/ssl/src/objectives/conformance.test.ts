import { configSchema } from '../config/schema.js';
import type { Config } from '../config/schema.js';
import { createObjective } from './create.js';
import { objectiveConformance } from './objective.case.js';

const SMALL = {
  model: { size: 'custom', widthDim: 16, depth: 2, numHeads: 2, patch: 4, imagePx: 12 },
  split: { dim: 12, equivariantDim: 5 },
  vicreg: { expander: [10, 8] },
  simclr: { projector: [10, 8], temperature: 0.5 }, // 0.1 makes five times as much of bfloat16's rounding
  sie: { target: 'rotation', expander: [20, 16] },
  dino: { hiddenDim: 10, bottleneckDim: 6, prototypes: 9 },
  ibot: { hiddenDim: 10, bottleneckDim: 6, prototypes: 9, masks: { ratios: [[0.5, 0.2]] } },
  dinov2: { hiddenDim: 10, bottleneckDim: 6, prototypes: 9, masks: { maskedFraction: 0.8, ratios: [0.5, 0.8] } },
  decoder: { channels: 8, activation: 'gelu' }, // relu can die with so few channels
} as const;

const TARGETS = ['rotation', 'translation', 'se2', 'color', 'blur'] as const;

const smallConfig = (recon: Partial<Config['recon']>, rest: object = {}): Config =>
  configSchema.parse({ ...SMALL, ...rest, recon });

const PAIR_FIGURES = {
  vicreg: ['varianceOverUninformed'],
  simclr: ['ntXentOverUninformed'],
  sie: ['varianceOverUninformed'],
};
objectiveConformance('vicreg', {
  make: (rng) => createObjective(smallConfig({}), rng),
  figures: PAIR_FIGURES.vicreg,
});
objectiveConformance('vicreg, class token, both parts regularized', {
  make: (rng) =>
    createObjective(smallConfig({}, { vicreg: { expander: [10, 8], pool: 'cls', regularizeEqui: true } }), rng),
  figures: PAIR_FIGURES.vicreg,
});
objectiveConformance('simclr, class token', {
  make: (rng) =>
    createObjective(smallConfig({}, { objective: 'simclr', simclr: { ...SMALL.simclr, pool: 'cls' } }), rng),
  figures: PAIR_FIGURES.simclr,
});
const ALL_FEATURES = { location: 'backbone', equivariantDim: 0 };
for (const objective of ['vicreg', 'simclr'] as const) {
  objectiveConformance(`${objective} of all features of the encoder`, {
    make: (rng) => createObjective(smallConfig({}, { objective, split: ALL_FEATURES }), rng),
    figures: PAIR_FIGURES[objective],
  });
}
const CLS_FIGURES = ['clsOverUninformed', 'teacherEntropy', 'usedPrototypes'];
const DISTILLATION_FIGURES = {
  dino: CLS_FIGURES,
  ibot: [...CLS_FIGURES, 'patchOverUninformed'],
  dinov2: [...CLS_FIGURES, 'patchOverUninformed'],
};
const WITH_LOCALS = { augment: { local: { count: 2, cropPx: 8 } } };
const DISTILLATIONS = ['dino', 'ibot', 'dinov2'] as const;
for (const objective of DISTILLATIONS) {
  objectiveConformance(objective, {
    make: (rng) => createObjective(smallConfig({}, { objective }), rng),
    figures: DISTILLATION_FIGURES[objective],
  });
}
objectiveConformance('ibot as published: the head reads the encoder', {
  make: (rng) => createObjective(smallConfig({}, { objective: 'ibot', split: ALL_FEATURES, ...WITH_LOCALS }), rng),
  figures: DISTILLATION_FIGURES.ibot,
});
objectiveConformance('dino, local views, prototypes of length 1', {
  make: (rng) =>
    createObjective(
      smallConfig({}, { objective: 'dino', dino: { ...SMALL.dino, normLastLayer: true }, ...WITH_LOCALS }),
      rng,
    ),
  withoutGradient: { 'head.last_layer.weight_g': 'the length of a prototype is kept' },
  figures: DISTILLATION_FIGURES.dino,
});
objectiveConformance('ibot, local views, prototypes of their own for patches, random masks', {
  make: (rng) => {
    const masks = { ratios: [[0.5, 0.2]], shape: 'random' };
    const section = { ...SMALL.ibot, sharedHead: false, patchPrototypes: 7, masks };
    return createObjective(smallConfig({}, { objective: 'ibot', ibot: section, ...WITH_LOCALS }), rng);
  },
  figures: DISTILLATION_FIGURES.ibot,
});
objectiveConformance('dinov2, local views, untied head, sinkhorn, KoLeo on the backbone', {
  make: (rng) => {
    const untied = { untiedHead: true, patchPrototypes: 7, patchBottleneckDim: 5 };
    const section = { ...SMALL.dinov2, ...untied, targets: 'sinkhorn', koleoInput: 'backbone' };
    return createObjective(smallConfig({}, { objective: 'dinov2', dinov2: section, ...WITH_LOCALS }), rng);
  },
  figures: DISTILLATION_FIGURES.dinov2,
});

for (const target of [...TARGETS, 'all'] as const) {
  objectiveConformance(`sie of ${target}`, {
    make: (rng) => createObjective(smallConfig({}, { objective: 'sie', sie: { target, expander: [20, 16] } }), rng),
    figures: PAIR_FIGURES.sie,
  });
}
objectiveConformance('sie, deep predictor without a variance term, class token, content fill', {
  make: (rng) => {
    const sie = { target: 'all', expander: [20, 16], predictor: 'deep', regularizePrediction: false, pool: 'cls' };
    return createObjective(smallConfig({}, { objective: 'sie', sie: { ...sie, fill: 'content' } }), rng);
  },
  figures: PAIR_FIGURES.sie,
});

const MASK_FIGURES = { dino: [], ibot: ['reconMasked', 'reconUnmasked'], dinov2: ['reconMasked', 'reconUnmasked'] };
for (const target of TARGETS) {
  const isPhotometric = target === 'color' || target === 'blur';
  const figures = ['reconInside', 'reconOverUninformed', ...(isPhotometric ? [] : ['reconOutside'])];
  for (const objective of ['vicreg', 'simclr', 'sie'] as const) {
    objectiveConformance(`${objective} + reconstruction of ${target}`, {
      make: (rng) => createObjective(smallConfig({ target }, { objective, sie: { ...SMALL.sie, target } }), rng),
      figures: [...PAIR_FIGURES[objective], ...figures],
    });
  }
  for (const objective of DISTILLATIONS) {
    objectiveConformance(`${objective} + reconstruction of ${target}`, {
      make: (rng) => createObjective(smallConfig({ target }, { objective, ...WITH_LOCALS }), rng),
      figures: [...DISTILLATION_FIGURES[objective], ...MASK_FIGURES[objective], ...figures],
    });
  }
  objectiveConformance(`ibot + reconstruction of ${target} from the head's output`, {
    make: (rng) => {
      const split = { location: 'head_output', equivariantDim: 8 };
      return createObjective(smallConfig({ target }, { objective: 'ibot', split, ...WITH_LOCALS }), rng);
    },
    figures: [...DISTILLATION_FIGURES.ibot, ...MASK_FIGURES.ibot, ...figures],
  });
  objectiveConformance(`vicreg + reconstruction of ${target} from the encoder's own features`, {
    make: (rng) =>
      createObjective(smallConfig({ target }, { split: { location: 'backbone', equivariantDim: 4 } }), rng),
    figures: [...PAIR_FIGURES.vicreg, ...figures],
  });
  objectiveConformance(`vicreg + reconstruction of v2 by cross-attention, ${target}`, {
    make: (rng) =>
      createObjective(
        smallConfig({ target, concat: 'cross_attention', attentionHeads: 5, intermediates: 0, includeFinal: true }),
        rng,
      ),
    figures: [...PAIR_FIGURES.vicreg, ...figures],
  });
  objectiveConformance(`vicreg + regression of ${target}`, {
    make: (rng) => createObjective(smallConfig({ target, of: 'theta', regressor: [10, 8] }), rng),
    figures: [...PAIR_FIGURES.vicreg, 'thetaOverUninformed'],
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
  figures: [...PAIR_FIGURES.vicreg, 'reconInside', 'reconOverUninformed'],
});
