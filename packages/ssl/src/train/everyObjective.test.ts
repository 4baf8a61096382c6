/** Whole runs of each objective: one that was stopped, and one whose photos other processes decoded, end as the run that was neither. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DecodePool } from '../data/decode/decodePool.js';
import { photoSource } from '../data/photos.case.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { bytesOf, outcomeOf, stopAfterStep5 } from './pretrain.case.js';
import type { PretrainOptions } from './pretrainOptions.js';
import { pretrainOn } from './pretrainRun.js';

const scratch = scratchFolder();
const photos = await photoSource(6);
/** Shared, since it takes a process longer to start than to decode. Closed when the file ends. */
const pools = { 1: poolOf(1), 3: poolOf(3) };
afterAll(() => Promise.all(Object.values(pools).map((pool) => pool.close())));

function poolOf(numProcesses: number): DecodePool {
  return new DecodePool(tinyConfig(`data.decodeProcesses=${numProcesses}`).data);
}

torch.setNumThreads(1); // tiny operators: threads would only wait for each other

/** Two rows, and no checkpoint between the first step and the last; drop path draws from the generator of the run. */
const RUN = [
  ...['train.steps=8', 'train.logEvery=4', 'train.checkpointEvery=8', 'optim.warmupFraction=0'],
  ...['model.depth=2', 'model.dropPathRate=0.3'],
];

/** A student that sees local views, and a teacher that follows it fast enough to be seen to move. */
const distillation = (name: string, ...settings: string[]): string[] => [
  ...[`objective=${name}`, `${name}={ hiddenDim: 12, bottleneckDim: 6, prototypes: 9, teacherMomentum: 0.5 }`],
  ...['model.imagePx=16', 'augment.local.count=2', 'augment.local.cropPx=8'],
  ...settings,
];

interface ObjectiveCase {
  readonly settings: readonly string[];
  /** Names of the state that it carries from step to step. */
  readonly carried: readonly string[];
}

const OBJECTIVES: Readonly<Record<string, ObjectiveCase>> = {
  vicreg: { settings: ['recon.target=none'], carried: [] },
  simclr: { settings: ['objective=simclr', 'simclr.projector=[8, 8]', 'recon.target=none'], carried: [] },
  dino: { settings: distillation('dino'), carried: ['clsCenter'] },
  ibot: { settings: distillation('ibot', 'ibot.masks.ratios=[[0.5, 0.3]]'), carried: ['clsCenter', 'patchCenter'] },
  dinov2: {
    settings: distillation('dinov2', 'dinov2.masks.maskedFraction=0.8'),
    carried: ['clsCenter', 'patchCenter'],
  },
  sie: {
    settings: ['objective=sie', 'sie.target=rotation', 'sie.expander=[8, 8]', 'recon.target=none'],
    carried: [],
  },
  'vicreg with the regression of AugSelf': { settings: ['recon.of=theta', 'recon.regressor=[8, 8]'], carried: [] },
  'vicreg with reconstruction by cross-attention': {
    settings: [
      'recon.concat=cross_attention',
      'recon.attentionHeads=2',
      'recon.intermediates=0',
      'recon.includeFinal=true',
    ],
    carried: [],
  },
};

/** What an objective carries beside its network, at a checkpoint: tensors in hexadecimal by name. */
function carriedAt(out: string, step: number): Record<'state' | 'teacher', Record<string, string>> {
  const file = (name: string): string => join(out, 'checkpoints', `step-${step}`, `${name}.safetensors`);
  return { state: bytesOf(file('optimizer'), 'objective.'), teacher: bytesOf(file('model'), 'teacher.') };
}

describe.each(Object.entries(OBJECTIVES))('a run of %s', (_, { settings, carried }) => {
  const optionsOf = (numProcesses: keyof typeof pools): PretrainOptions => {
    const config = tinyConfig(...RUN, ...settings, `data.decodeProcesses=${numProcesses}`);
    return { config, recipe: 'tiny', data: photos.paths, out: join(mkdtempSync(join(scratch, 'case-')), 'run') };
  };
  const whole = optionsOf(1);
  beforeAll(async () => {
    await pretrainOn(pools[1], whole);
  });

  it('stopped and resumed ends as if it had never stopped, to the bit', async () => {
    const parts = optionsOf(1);
    await stopAfterStep5(parts); // in a pool of its own, which is closed in the middle of its work
    const [before, after] = [carriedAt(parts.out, 0), carriedAt(parts.out, 5)];
    expect(Object.keys(after.state).sort()).toEqual(carried);
    for (const kind of ['state', 'teacher'] as const) {
      const still = Object.keys(after[kind]).filter((name) => after[kind][name] === before[kind][name]);
      expect(still, `${kind} that has not moved, and could get lost unseen`).toEqual([]);
    }
    await pretrainOn(pools[1], { ...parts, resume: true });
    expect(outcomeOf(parts.out)).toEqual(outcomeOf(whole.out));
  });

  it('is the same with three decode processes as with one, to the bit', async () => {
    const three = optionsOf(3);
    await pretrainOn(pools[3], three);
    expect(outcomeOf(three.out)).toEqual(outcomeOf(whole.out));
  });
});
