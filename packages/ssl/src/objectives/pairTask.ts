/**
 * An auxiliary task on the features of v1 and v2 = g_theta(u), added to any joint-embedding objective: L = L_base + lambda * L_task.
 *
 * It asks the base's second view to be a transformed one and reads the features that the base computed: no encoder pass of its own,
 * and no knowledge of which base it is.
 */
import type { Tensor } from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import type { DeviceBatch } from '../data/batch.js';
import type { Inspection, Objective } from './objective.js';
import { expectSource, pairFeatures, taskBatch, taskMasks } from './pairSource.js';
import type { PairSource } from './pairSource.js';
import type { SplitTokens } from './split.js';
import { requestPath } from './transformedPair.js';
import type { TransformedRequest } from './transformedPair.js';

export interface PairTask {
  /** Name of its term. */
  readonly term: string;
  readonly transformed: TransformedRequest;
  /** What to change where its term stays what it is when nothing is known (the figure `<term>OverUninformed`). */
  readonly uninformed: string;
  /** What of its term mixes the images of a batch, in words. */
  readonly batchDependent: readonly string[];
  /** What it trains, by the names that come beside the base's own. */
  readonly modules: Readonly<Record<string, Module | readonly Module[]>>;
  /** From v1's and v2's split tokens: the term, and figures that are only logged (detached), each f32 []. */
  loss(
    features: readonly [SplitTokens, SplitTokens],
    batch: DeviceBatch,
    ctx: ForwardContext,
  ): { readonly term: Tensor; readonly figures: Readonly<Record<string, Tensor>> };
  /** The base's inspection with the task's own figures and columns; called under noGrad. */
  inspect(
    base: Inspection,
    features: readonly [SplitTokens, SplitTokens],
    batch: DeviceBatch,
    ctx: ForwardContext,
  ): Inspection;
}

/**
 * lambda of a task, and whose features it reads. It rises in equal parts over the first `warmupFraction` of the run: W steps, lambda / W at
 * the first.
 */
export interface TaskOptions extends PairSource {
  readonly lambda: number;
  readonly warmupFraction: number;
}

/**
 * The base objective with the task added: its second view becomes g_theta(u), and its network, terms and figures gain the task's.
 * Throws Error when the base has no second view to transform, ConfigError when it transforms it differently.
 */
export function withTask(base: Objective, task: PairTask, options: TaskOptions): Objective {
  const { lambda, warmupFraction } = options;
  expectSource(base, options);
  return {
    ...base,
    advice: { ...base.advice, uninformed: { ...base.advice.uninformed, [task.term]: task.uninformed } },
    ...(base.planMasks && { planMasks: taskMasks(base.planMasks, options) }),
    views: requestPath(base.views, task.transformed),
    network: new TaskNetwork(base.network, task.modules),
    batchDependent: [...(base.batchDependent ?? []), ...task.batchDependent],
    weightsAt: (step, totalSteps) => ({
      ...base.weightsAt(step, totalSteps),
      [task.term]: lambda * Math.min(1, (step + 1) / Math.max(1, warmupFraction * totalSteps)),
    }),

    forward(batch, params, state, ctx) {
      const seen = taskBatch(batch, options);
      const output = base.forward(seen, params, state, ctx);
      const { term, figures } = task.loss(pairFeatures(base, output, seen, ctx, options), batch, ctx);
      return {
        ...output,
        terms: { ...output.terms, [task.term]: term },
        figures: { ...output.figures, ...figures },
      };
    },

    inspect(batch, state, ctx) {
      const seen = taskBatch(batch, options);
      const inspection = base.inspect(seen, state, ctx);
      return task.inspect(inspection, pairFeatures(base, inspection, seen, ctx, options), batch, ctx);
    },
  };
}

/** The base's network with the task's modules beside its own children. */
class TaskNetwork extends Module {
  constructor(base: Module, modules: PairTask['modules']) {
    super();
    // The base's children keep their names, and so do its checkpoints. The task's come first: the order of parameters is that in which
    // the gradient's norm is summed, and the figures of docs/log.md have this one.
    Object.assign(this, modules, base);
  }
}
