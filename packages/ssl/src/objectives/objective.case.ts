/**
 * What every objective has to do, whichever it is. Run as `objectiveConformance(name, () => ({ objective, ... }))` in a
 * test file. Also makes batches of random images for tests of objectives, through the real transformations.
 *
 * B images, S pixels a side, P transformation parameters.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { Module } from '@halfway/torch/nn';
import { describe, expect, it } from 'vitest';
import type { DeviceBatch, View, ViewRequest } from '../data/batch.js';
import { evalContext, present, valueOf } from '../models/fixture.case.js';
import { tinyConfig } from '../run/scratch.case.js';
import { createTrainState } from '../train/state.js';
import { trainStep } from '../train/step.js';
import { renderPath } from '../transforms/path.js';
import type { Objective, ObjectiveOutput, ObjectiveState } from './objective.js';
import type { StepParams } from '../train/schedule.js';

export interface ConformanceCase {
  /** The objective, built from the generator alone. */
  readonly make: (rng: Generator) => Objective;
  /** Parameters that get no gradient, by name, each with the reason. */
  readonly withoutGradient?: Readonly<Record<string, string>>;
  /** Figures that may be missing from a step's output, or empty. */
  readonly figures: readonly string[];
}

const NUM_IMAGES = 4;

/** A batch of smooth random images for the views an objective asks for. Kept until the surrounding scope ends. */
export function randomBatch(views: readonly ViewRequest[], numImages = NUM_IMAGES, seed = 11): DeviceBatch {
  const generator = torch.generator(seed);
  const images = (sizePx: number): Tensor =>
    torch.rand([numImages, 3, 5, 5], { generator }).upsampleBilinear2d([sizePx, sizePx], false);
  const draw = uniformDraw(seed);
  return {
    indices: Int32Array.from({ length: numImages }, (_, i) => i),
    views: views.map(({ name, sizePx, transformed }): View => {
      if (!transformed) return { name, images: images(sizePx) };
      const { transformation, intermediates, fill } = transformed;
      const numParameters = transformation.parameters.length;
      const rows = Array.from({ length: numImages }, () => [...transformation.sample(draw)]);
      const theta = torch.tensor(rows.flat(), { shape: [numImages, numParameters] }); // [B, P]
      const canvas = images(fill === 'content' ? transformation.canvasPx(sizePx) : sizePx);
      const { end, ...path } = renderPath(canvas, theta, transformation, { intermediates, fill, sizePx });
      return { name, images: end, path };
    }),
  };
}

/** A random batch with the masks that an objective plans. */
export function objectiveBatch(
  { views, planMasks }: Pick<Objective, 'views' | 'planMasks'>,
  numImages = NUM_IMAGES,
  seed = 11,
): DeviceBatch {
  const batch = randomBatch(views, numImages, seed);
  const masks = planMasks?.((image, view) => uniformDraw(seed + 1 + image + numImages * view), numImages) ?? [];
  return {
    ...batch,
    views: batch.views.map((view, i) => {
      const cells = masks[i];
      if (!cells) return view;
      return { ...view, mask: torch.tensor([...cells], { shape: [numImages, cells.length / numImages] }).gt(0) };
    }),
  };
}

/** A plain linear congruential stream, so that tests of objectives need nothing of `data`. */
function uniformDraw(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The numbers of one step with the objective's own weights. */
export function stepParams(objective: Objective, step = 0, totalSteps = 10): StepParams {
  return {
    step,
    ...{ lr: 1e-3, lastLayerLr: 1e-3, encoderLr: 1e-3, dropsLastLayerGradient: false, weightDecay: 0, clipNorm: 0 },
    numBatches: 1,
    weights: objective.weightsAt(step, totalSteps),
    numbers: objective.numbersAt?.(step, totalSteps) ?? {},
    teacherMomentum: objective.teacher?.momentumAt(step, totalSteps) ?? 1,
  };
}

/** The weighted sum of an output's terms, f32 []. */
export function totalLoss({ terms }: ObjectiveOutput, { weights }: StepParams): Tensor {
  return Object.entries(terms)
    .map(([name, term]) => term.mul(present(weights[name])))
    .reduce((sum, term) => sum.add(term));
}

interface StepResult {
  readonly loss: number;
  readonly terms: Readonly<Record<string, number>>;
  readonly gradients: ReadonlyMap<string, Float32Array | undefined>;
}

/** One forward and backward pass from a seed, as plain numbers. */
function runStep(
  testCase: ConformanceCase,
  seed: number,
  { state, computeDtype }: { readonly state?: ObjectiveState; readonly computeDtype?: 'bfloat16' } = {},
): StepResult {
  return torch.scope(() => {
    const objective = testCase.make(torch.generator(seed));
    const params = stepParams(objective);
    const ctx = evalContext(computeDtype ?? 'float32', true);
    const output = objective.forward(objectiveBatch(objective), params, state ?? objective.initialState(), ctx);
    const loss = totalLoss(output, params);
    loss.backward();
    const gradients = objective.network
      .namedParameters()
      .map(([name, parameter]) => [name, parameter.grad?.toTypedArray() as Float32Array | undefined] as const);
    return {
      loss: loss.item(),
      terms: Object.fromEntries(Object.entries(output.terms).map(([name, term]) => [name, term.item()])),
      gradients: new Map(gradients),
    };
  });
}

/** What an objective carries after two training steps, on other images each. */
function stateAfterTwoSteps(testCase: ConformanceCase): ObjectiveState {
  const state = createTrainState(tinyConfig(), 'float32', testCase.make(torch.generator(0)));
  for (const step of [0, 1]) {
    const batch = objectiveBatch(state.objective, NUM_IMAGES, 11 + step);
    state.objectiveState = trainStep(state, batch, stepParams(state.objective, step)).objectiveState;
  }
  return state.objectiveState;
}

/** Every parameter and buffer, bit for bit. */
function bytesOf(network: Module): [name: string, bytes: Uint8Array][] {
  return [...network.stateDict()].map(([name, tensor]) => [name, tensor.toBytes()]);
}

/** The shared suite. Each objective's own mathematics is tested beside it. */
export function objectiveConformance(name: string, testCase: ConformanceCase): void {
  describe(`objective: ${name}`, () => {
    it('gives finite scalar terms in f32, one weight for each, and detached figures', () => {
      torch.scope(() => {
        const objective = testCase.make(torch.generator(0));
        const params = stepParams(objective);
        const batch = objectiveBatch(objective);
        const output = objective.forward(batch, params, objective.initialState(), evalContext('float32', true));
        expect(Object.keys(output.terms).sort()).toEqual(Object.keys(params.weights).sort());
        expect(Object.keys(output.figures).sort()).toEqual([...testCase.figures].sort());
        for (const [key, value] of Object.entries({ ...output.terms, ...output.figures })) {
          expect([key, value.dtype, ...value.shape]).toEqual([key, 'float32']);
          expect([key, Number.isFinite(value.item())]).toEqual([key, true]);
        }
        for (const figure of Object.values(output.figures)) expect(figure.requiresGrad).toBe(false);
        for (const tensor of Object.values(output.state)) expect(tensor.requiresGrad).toBe(false);
      });
    });

    it('returns the features of each view, halves that make up the whole', () => {
      torch.scope(() => {
        const objective = testCase.make(torch.generator(0));
        const batch = objectiveBatch(objective);
        const { features } = objective.forward(batch, stepParams(objective), objective.initialState(), evalContext());
        expect(features.length).toBe(objective.views.length);
        for (const { invariant, equivariant } of features) {
          expect(invariant.cls.shape[0]).toBe(NUM_IMAGES);
          expect(invariant.patches.shape.slice(0, 2)).toEqual(equivariant.patches.shape.slice(0, 2));
          expect(invariant.cls.shape[1]).toBe(invariant.patches.shape[2]);
          expect(equivariant.cls.shape[1]).toBe(equivariant.patches.shape[2]);
        }
      });
    });

    it('gives every parameter a gradient, but for those listed with a reason', () => {
      const { gradients } = runStep(testCase, 0);
      const without = [...gradients].filter(([, gradient]) => !gradient?.some((value) => value !== 0));
      expect(without.map(([key]) => key).sort()).toEqual(Object.keys(testCase.withoutGradient ?? {}).sort());
      for (const [key, gradient] of gradients) {
        expect([key, gradient?.every(Number.isFinite) ?? true]).toEqual([key, true]);
      }
    });

    it('is a function of its seed', () => {
      const [first, again, other] = [runStep(testCase, 0), runStep(testCase, 0), runStep(testCase, 1)];
      expect(again).toEqual(first);
      expect(other.loss).not.toBe(first.loss);
    });

    it('in bfloat16 the loss is within 5 % of that in float32', () => {
      const { loss } = runStep(testCase, 0);
      expect(Math.abs(runStep(testCase, 0, { computeDtype: 'bfloat16' }).loss / loss - 1)).toBeLessThan(0.05);
    });

    it('a training step minimises the sum of the terms that it logs, by their weights', () => {
      torch.scope(() => {
        const state = createTrainState(tinyConfig(), 'float32', testCase.make(torch.generator(0)));
        const params = stepParams(state.objective, 7); // a weight that rises is on its way
        const { scalars } = trainStep(state, objectiveBatch(state.objective), params);
        const weighted = Object.entries(params.weights).map(([key, weight]) => weight * valueOf(scalars, key));
        const sum = weighted.reduce((total, value) => total + value);
        expect(valueOf(scalars, 'loss')).toBeCloseTo(sum, 3);
      });
    });

    it('gives the same step after its state has been written and read, and another without it', () => {
      torch.scope(() => {
        const trained = stateAfterTwoSteps(testCase);
        const read = Object.entries(trained).map(([key, tensor]) => [
          key,
          torch.fromBytes(tensor.toBytes(), [...tensor.shape], tensor.dtype),
        ]);
        const step = runStep(testCase, 0, { state: trained });
        expect(runStep(testCase, 0, { state: Object.fromEntries(read) as ObjectiveState })).toEqual(step);
        const initial = testCase.make(torch.generator(0)).initialState();
        expect(Object.keys(trained)).toEqual(Object.keys(initial));
        for (const [key, tensor] of Object.entries(initial)) {
          expect(runStep(testCase, 0, { state: { ...trained, [key]: tensor } }), key).not.toEqual(step);
        }
      });
    });

    it('loads what it saves', () => {
      torch.scope(() => {
        const network = (seed: number): Module => testCase.make(torch.generator(seed)).network;
        const [first, second] = [network(0), network(1)];
        second.loadStateDict(first.stateDict());
        expect(bytesOf(second)).toEqual(bytesOf(first));
      });
    });

    it('inspects, with columns of images in [0, 1] that begin with the first view', () => {
      torch.scope(() => {
        const objective = testCase.make(torch.generator(0));
        const batch = objectiveBatch(objective);
        const { figures, columns, features } = torch.noGrad(() =>
          objective.inspect(batch, objective.initialState(), evalContext()),
        );
        expect(columns[0]?.title).toBe(objective.views[0]?.name);
        expect(features.length).toBe(objective.views.length);
        for (const { images } of columns) {
          expect(images.shape).toEqual(present(batch.views[0]).images.shape);
          expect(images.amin().item()).toBeGreaterThanOrEqual(0);
          expect(images.amax().item()).toBeLessThanOrEqual(1);
        }
        for (const figure of Object.values(figures)) expect(Number.isFinite(figure.item())).toBe(true);
      });
    });

    it('a forward pass changes no parameter and no buffer', () => {
      torch.scope(() => {
        const objective = testCase.make(torch.generator(0));
        const before = bytesOf(objective.network);
        const ctx = evalContext('float32', true);
        objective.forward(objectiveBatch(objective), stepParams(objective), objective.initialState(), ctx);
        expect(bytesOf(objective.network)).toEqual(before);
      });
    });

    it('leaves no tensor behind: as many after ten steps as after one', () => {
      torch.scope(() => {
        const objective = testCase.make(torch.generator(0));
        const params = stepParams(objective);
        const batch = objectiveBatch(objective);
        const state = objective.initialState();
        const step = (): number => {
          torch.scope(() => {
            const ctx = evalContext('float32', true);
            totalLoss(objective.forward(batch, params, state, ctx), params).backward();
            torch.noGrad(() => objective.inspect(batch, state, evalContext()));
          });
          return torch.memory.stats().liveTensors;
        };
        const first = step();
        for (let i = 0; i < 9; i++) step();
        expect(step()).toBe(first);
      });
    });
  });
}
