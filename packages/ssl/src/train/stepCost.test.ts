/** What a step costs by formula, against counts by hand, figures of others, and what steps were seen to hold. */
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse.js';
import { loadRecipe } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { createObjective } from '../objectives/create.js';
import { objectiveBatch } from '../objectives/objective.case.js';
import { stepParams } from './schedule.js';
import { createTrainState } from './state.js';
import { trainStep } from './step.js';
import { type StepCost, stepCost } from './stepCost.js';

function costOf(config: Config, computeDtype: 'float32' | 'bfloat16' = 'float32'): StepCost {
  return torch.scope(() => stepCost(config, createObjective(config, torch.generator(0)), computeDtype));
}

const SMALL = { size: 'custom', widthDim: 64, depth: 2, numHeads: 1, patch: 8, imagePx: 32 };
const NARROW = { model: SMALL, split: { dim: 64, equivariantDim: 32 }, train: { batch: 2 } };

function narrow(tree: object = {}): Config {
  return parseConfig({ ...NARROW, ...tree }, 'narrow');
}

const WAYS = 2 * 3; // two operations a multiply-add; there, back to the input, back to the weights
const NUM_VIEWS = 2;

describe('FLOPs of a step', () => {
  it('of ViT-S/16 at 224 px: 4.6 billion multiply-adds an image, as everyone counts', () => {
    const { flops } = costOf(loadRecipe('paper/vicreg-rot', ['train.batch=2']));
    const patches = 196 * 3 * 16 * 16 * 384;
    const blocks = 12 * (197 * 12 * 384 * 384 + 2 * 197 * 197 * 384);
    expect(flops['encoder']).toBe(2 * NUM_VIEWS * WAYS * (patches + blocks));
    expect((patches + blocks) / 1e9).toBeCloseTo(4.6, 2); // DeiT, table 5: 4.6 for ViT-S/16
    expect(flops['expander']).toBe(2 * NUM_VIEWS * WAYS * (256 * 1024 + 2 * 1024 * 1024));
    // Paper's decoder: linear, then transposed convolutions of 4 x 4 taps, each applied at every pixel that it reads.
    const decoder =
      196 * 512 * 256 + 16 * (14 ** 2 * 256 * 128 + 28 ** 2 * 128 * 64 + 56 ** 2 * 64 * 32 + 112 ** 2 * 32 * 3);
    expect(flops['decoders']).toBe(2 * 2 * WAYS * decoder);
  });

  it('of ResNet-18 at 224 px: 1.81 billion an image, in either variant within a stride', () => {
    const resnet = (variant: string): number => {
      const { flops } = costOf(
        parseConfig({ model: { kind: 'resnet18', resnet: { variant } }, train: { batch: 2 } }, 'x'),
      );
      return (flops['encoder'] ?? 0) / (2 * NUM_VIEWS * WAYS) / 1e9;
    };
    expect(resnet('torchvision')).toBeCloseTo(1.8136, 4); // torchvision's 1.814 without the classifier's 0.0005
    expect(resnet('sie')).toBeGreaterThan(resnet('torchvision'));
  });

  it("of a head: a row for each class token and hidden patch; the teacher's on the way there only", () => {
    const shared = { objective: 'dinov2', dinov2: { hiddenDim: 16, bottleneckDim: 8, prototypes: 32 } };
    const { flops } = costOf(narrow(shared));
    const row = 32 * 16 + 16 * 16 + 16 * 8 + 8 * 32;
    const masked = (flops['head'] ?? 0) / (2 * WAYS * row) - NUM_VIEWS;
    expect(masked / (2 * 16)).toBeGreaterThan(0.08); // half of the views, 10 to 50 % of 16 patches, of which blocks fall short
    expect(masked / (2 * 16)).toBeLessThan(0.15);
    const body = (flops['encoder'] ?? 0) + (flops['adapter'] ?? 0) + (flops['head'] ?? 0);
    expect(flops['teacher']).toBeCloseTo(body / 3, 0);

    const { flops: untied } = costOf(narrow({ objective: 'dinov2', dinov2: { ...shared.dinov2, untiedHead: true } }));
    expect(untied['head']).toBe(2 * WAYS * NUM_VIEWS * row);
    expect(Object.keys(untied)).toContain('patch_head');
  });

  it('falls with branches that are left out, grows with blocks that are computed twice', () => {
    const encoder = (tree: object): number => costOf(narrow(tree)).flops['encoder'] ?? 0;
    const patches = 2 * NUM_VIEWS * WAYS * 16 * 3 * 8 * 8 * 64;
    const blocks = encoder({}) - patches;
    const subset = { ...SMALL, dropPathRate: 0.25, dropPathSchedule: 'uniform', dropPathForm: 'batch_subset' };
    expect(encoder({ model: subset }) - patches).toBeCloseTo(0.75 * blocks, 0);
    expect(encoder({ model: { ...subset, dropPathForm: 'image' } })).toBe(blocks + patches);
    expect(encoder({ train: { batch: 2, checkpointActivations: true } }) - patches).toBeCloseTo((4 / 3) * blocks, 0);
  });

  it('a task that wants whole views: another pass of those that it reads, and none of heads', () => {
    const of = (recon: object): Readonly<Record<string, number>> =>
      costOf(narrow({ objective: 'ibot', recon: { target: 'rotation', ...recon } })).flops;
    const masked = of({});
    const extra = (source: string): number =>
      ((of({ source, masking: 'unmasked' })['encoder'] ?? 0) - (masked['encoder'] ?? 0)) /
      ((masked['encoder'] ?? 0) / 2);
    expect(extra('student')).toBeCloseTo(2, 9);
    expect(extra('teacher_v1')).toBeCloseTo(1, 9);
    expect(extra('student_v2_only')).toBeCloseTo(1 + 1 / 3, 9); // v1 on the way there only
    expect(of({ masking: 'unmasked' })['head']).toBe(masked['head']);
  });

  it("a task that reads the head's outputs: those of the views that it learns from, of the others on the way there only", () => {
    const of = (source: string): Readonly<Record<string, number>> =>
      costOf(
        narrow({
          objective: 'ibot',
          split: { dim: 64, equivariantDim: 8, location: 'head_output' },
          recon: { target: 'rotation', source },
        }),
      ).flops;
    const view = 2 * 2 * 17 * (64 * 2048 + 2048 * 2048 + 2048 * 256 + 256 * 8); // of two photos, on the way there
    const student = of('student');
    expect(student['head']).toBeCloseTo((of('student_v2_only')['head'] ?? 0) + 2 * view, 0);
    expect(student['head']).toBeCloseTo((of('teacher_v1')['head'] ?? 0) + 3 * view, 0);
    expect(of('teacher_v1')['teacher']).toBeCloseTo((student['teacher'] ?? 0) + view, 0);
  });

  it('knows every weight of every objective and task', () => {
    const rotation = { target: 'rotation' };
    const trees = [
      ...['vicreg', 'simclr', 'dino', 'ibot', 'dinov2'].map((objective) => ({ objective, recon: rotation })),
      { objective: 'ibot', recon: rotation, split: { dim: 64, equivariantDim: 8, location: 'head_output' } },
      { objective: 'sie', sie: { predictor: 'deep' } },
      { objective: 'ibot', ibot: { sharedHead: false }, recon: { ...rotation, masking: 'unmasked' } },
      { recon: { ...rotation, concat: 'cross_attention' } },
      { recon: { ...rotation, concat: 'token' }, decoder: { kind: 'conv_upsample' } },
      { recon: { ...rotation, of: 'theta' }, decoder: { kind: 'global' } },
      { model: { ...SMALL, ffn: 'swiglu', numRegisters: 1, layerScale: 1 } },
    ];
    for (const tree of trees) {
      const { flops, memoryBytes } = costOf(narrow(tree));
      for (const value of [...Object.values(flops), ...Object.values(memoryBytes)]) {
        expect([tree, Number.isInteger(value) && value > 0]).toEqual([tree, true]);
      }
    }
  });
});

/** The most bytes that a step and its state were seen to hold. */
function measuredBytes(config: Config, computeDtype: 'float32' | 'bfloat16'): number {
  return torch.scope(() => {
    const before = torch.memory.stats().liveBytes;
    const state = createTrainState(config, computeDtype);
    const { objective } = state;
    const batch = objectiveBatch(objective, config.train.batch);
    torch.memory.resetPeak();
    trainStep(state, batch, stepParams(0, config, objective));
    const { peakBytes } = torch.memory.stats();
    for (const tensor of [...state.model.stateDict().values(), ...state.optimizer.stateTensors().values()])
      tensor.dispose();
    return peakBytes - before;
  });
}

describe('memory of a step', () => {
  // The formula leaves out sums, gradients on their way, losses and what a teacher's heads hold, which count for more the smaller the model:
  // it was 6 to 16 % below what these four were seen to hold, and within 7 % for ViT-S at 96 px (iBOT) and 224 px (VICReg with the task).
  it.each([
    ['small/vicreg-rot', 'float32'],
    ['small/vicreg-rot', 'bfloat16'],
    ['small/ibot', 'float32'],
    ['small/ibot', 'bfloat16'],
  ] as const)('%s in %s: within 20 % of what a step holds', (recipe, dtype) => {
    const config = loadRecipe(recipe);
    const ratio = (costOf(config, dtype).memoryBytes['total'] ?? 0) / measuredBytes(config, dtype);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.2);
  });

  it('with activation checkpoints holds the blocks one at a time', () => {
    const config = loadRecipe('small/vicreg', ['train.checkpointActivations=true']);
    const ratio = (costOf(config).memoryBytes['total'] ?? 0) / measuredBytes(config, 'float32');
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.2);
  });
});
