import { describe, expect, it } from 'vitest';
import * as torch from '@halfway/torch';
import type { MetricRow } from '../protocol/metrics.js';
import { leafKeys } from '../config/randomConfig.case.js';
import { evalContext } from '../models/fixture.case.js';
import { createObjective } from '../objectives/create.js';
import { objectiveBatch, stepParams } from '../objectives/objective.case.js';
import type { ObjectiveState } from '../objectives/objective.js';
import { tinyConfig } from '../run/scratch.case.js';
import { Alarms, healthFigures } from './health.js';

const config = tinyConfig('train.steps=100', 'train.batch=64');
const advice = { sameFeatures: 'mend A', fewDirections: 'mend B' };

function row(change: Partial<MetricRow> = {}): MetricRow {
  return {
    ...{ step: 50, loss: 1, lr: 1e-3, gradNorm: 1, imagesPerSecond: 100, dataWaitMs: 1, stepMs: 100 },
    ...{ featureStd: 0.8, effectiveRank: 20 },
    ...change,
  };
}

describe('Alarms', () => {
  it('say what is wrong and which key to change', () => {
    const cases: [change: Partial<MetricRow>, text: string][] = [
      [{ featureStd: 0.01 }, 'features of all photos are nearly the same (std 0.0100): mend A'],
      [{ effectiveRank: 1.2 }, 'few directions (effective rank 1.2): mend B'],
      [{ dataWaitMs: 45 }, '45 % of the time is waiting for photos: raise data.decodeProcesses'],
    ];
    for (const [change, text] of cases) {
      const alarms = new Alarms().ofRow(row(change), config, advice);
      expect(alarms).toHaveLength(1);
      expect(alarms[0]).toContain(text);
    }
    expect(new Alarms().ofRow(row(), config, advice)).toEqual([]);
  });

  it('few directions are few of those that there can be, the lesser of photos and features', () => {
    const few = (batch: number, equivariantDim: number, effectiveRank: number): number =>
      new Alarms().ofRow(
        row({ effectiveRank }),
        tinyConfig(
          'train.steps=100',
          `train.batch=${batch}`,
          'split.dim=256',
          `split.equivariantDim=${equivariantDim}`,
        ),
        advice,
      ).length;
    expect(few(4096, 246, 4)).toBe(0); // of 10
    expect(few(4096, 6, 4)).toBe(1); // of 250
    expect(few(64, 6, 4)).toBe(0);
  });

  it('are raised once each, whatever their numbers are', () => {
    const alarms = new Alarms();
    expect(alarms.ofRow(row({ dataWaitMs: 45 }), config, advice)).toHaveLength(1);
    expect(alarms.ofRow(row({ dataWaitMs: 61 }), config, advice)).toEqual([]);
    expect(alarms.ofRow(row({ dataWaitMs: 61, featureStd: 0 }), config, advice)).toHaveLength(1);
  });

  it('wait for the end of the first tenth, when features are nearly equal anyway', () => {
    const alarms = new Alarms();
    expect(alarms.ofRow(row({ step: 9, featureStd: 0 }), config, advice)).toEqual([]);
    expect(alarms.ofRow(row({ step: 10, featureStd: 0 }), config, advice)).toHaveLength(1);
  });

  it('say that the decoder ignores the first view when exchanging it costs nothing, from half of the run on', () => {
    const ignoring = { reconSame: 0.5, reconSwapped: 0.505 };
    expect(new Alarms().ofInspection(ignoring, 49, 100)).toEqual([]);
    expect(new Alarms().ofInspection(ignoring, 50, 100)[0]).toContain('the decoder ignores the first view');
    expect(new Alarms().ofInspection({ reconSame: 0.5, reconSwapped: 0.6 }, 50, 100)).toEqual([]);
    expect(new Alarms().ofInspection({}, 50, 100)).toEqual([]); // the plain base has no decoder
  });
});

describe('Alarms of what is learned', () => {
  const long = tinyConfig('train.steps=5000', 'optim.warmupFraction=0.1');

  /** The alarms of a late row with the figures of an objective's step on photos that are all the same. */
  function alarmsOf(settings: readonly string[], state?: (initial: ObjectiveState) => ObjectiveState): string[] {
    return torch.scope(() => {
      const objective = createObjective(tinyConfig('recon.target=none', ...settings), torch.generator(0));
      const { views, indices } = objectiveBatch(objective);
      const same = views.map((view) => ({ ...view, images: torch.full(view.images.shape, 0.5) }));
      const initial = objective.initialState();
      const params = stepParams(objective);
      const { figures } = objective.forward(
        { views: same, indices },
        params,
        state?.(initial) ?? initial,
        evalContext(),
      );
      const values = Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, figure.item()]));
      return new Alarms().ofRow(row({ step: 2000, ...values }), long, objective.advice);
    });
  }
  const DINO = ['model.imagePx=16', 'objective=dino', 'dino={ hiddenDim: 8, bottleneckDim: 6, prototypes: 64 }'];

  it('say that a teacher answers all alike, that it knows one answer, and that a loss is where it began', () => {
    expect(alarmsOf([...DINO, 'dino.teacherTemp.temps=[5, 5]'])).toEqual([
      expect.stringMatching(
        /answers are nearly the same for all prototypes \(entropy .*: lower dino\.teacherTemp\.temps$/,
      ),
    ]);
    const behind = (): ObjectiveState => ({ clsCenter: torch.arange(64).reshape([1, 64]).to('float32').neg() }); // far from the scores
    expect(alarmsOf(DINO, behind)).toContainEqual(
      expect.stringMatching(/all photos of a batch to the same prototype \(1\.0 used\): lower dino\.centerMomentum$/),
    );
    expect(alarmsOf(['objective=simclr', 'simclr.projector=[8]'])).toEqual([
      'the term ntXent is 1.000 of what it is when nothing is known: lower simclr.temperature, or optim.lr',
    ]);
    expect(alarmsOf(['vicreg.expander=[8]'])).toEqual([
      'the term variance is 1.000 of what it is when nothing is known: raise vicreg.variance, or lower vicreg.invariance',
    ]);
  });

  it('name keys that there are, whatever the objective', () => {
    torch.scope(() => {
      const plain = ['recon.target=none'];
      const cases: [objective: string, ...task: string[]][] = [
        ...['vicreg', 'simclr', 'dino', 'ibot', 'dinov2', 'sie'].map((name): [string, ...string[]] => [name, ...plain]),
        ['vicreg', 'recon.target=rotation'],
        ['simclr', 'recon.of=theta', 'recon.regressor=[8]'],
      ];
      for (const [objective, ...task] of cases) {
        const config = tinyConfig('model.imagePx=16', `objective=${objective}`, ...task);
        const { advice } = createObjective(config, torch.generator(0));
        const { uninformed = {}, ...others } = advice;
        const texts = [...Object.values(uninformed), ...Object.values(others)];
        const named = texts.flatMap((text) => text.match(/\w+(\.\w+)+/g) ?? []);
        expect(named.length).toBeGreaterThan(4);
        expect(named.filter((key) => !leafKeys().includes(key))).toEqual([]);
      }
    });
  });

  it('say of a task that knows no more than one grey, or than the mean theta, what to change about the task', () => {
    const rotation = ['vicreg.expander=[8]', 'recon.target=rotation'];
    const ofTask = (...settings: string[]): string[] =>
      alarmsOf([...rotation, ...settings]).filter((text) => !text.startsWith('the term variance'));
    expect(ofTask()).toEqual([
      expect.stringMatching(/^the term recon is .* when nothing is known: raise recon\.lambda, or decoder\.lrMult$/),
    ]);
    expect(ofTask('recon.of=theta', 'recon.regressor=[8]')).toEqual([
      expect.stringMatching(/^the term theta is .* when nothing is known: raise recon\.lambda, or optim\.lr$/),
    ]);
  });

  it('wait for 1,000 steps, and for four times the warm-up', () => {
    const sick = { clsOverUninformed: 0.99 };
    expect(new Alarms().ofRow(row({ step: 1999, ...sick }), long, {})).toEqual([]);
    expect(new Alarms().ofRow(row({ step: 2000, ...sick }), long, {})).toEqual([
      'the term cls is 0.990 of what it is when nothing is known: lower optim.lr',
    ]);
    const short = tinyConfig('train.steps=1500', 'optim.warmupFraction=0');
    expect(new Alarms().ofRow(row({ step: 999, ...sick }), short, {})).toEqual([]);
    expect(new Alarms().ofRow(row({ step: 1000, ...sick }), short, {})).toHaveLength(1);
  });

  it('are silent where a run learns', () => {
    const learning = { clsOverUninformed: 0.92, patchOverUninformed: 0.93, teacherEntropy: 0.87, usedPrototypes: 12 };
    expect(new Alarms().ofRow(row({ step: 2000, ...learning }), long, {})).toEqual([]);
  });
});

describe('healthFigures', () => {
  it('tell spread features from collapsed ones', () => {
    torch.scope(() => {
      const generator = torch.generator(0);
      const spread = healthFigures(torch.randn([64, 8], { generator }));
      const collapsed = healthFigures(torch.ones([64, 8]).add(torch.randn([64, 8], { generator }).mul(1e-4)));
      expect(spread.featureStd).toBeGreaterThan(0.9);
      expect(spread.effectiveRank).toBeGreaterThan(7);
      expect(collapsed.featureStd).toBeLessThan(0.01);
    });
  });
});
