/**
 * L-BFGS for smooth convex functions of one float64 vector: two-loop recursion and a backtracking line search.
 * Deterministic. Not a general optimiser: no bounds, no noise, no non-convex safeguards beyond skipping bad pairs.
 * Source: Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5.
 */
import { keep, scope, type Tensor } from '@halfway/torch';

/** Value and gradient at a point; the gradient has the point's shape, float64 [n]. */
export interface Evaluation {
  readonly value: number;
  readonly gradient: Tensor;
}

export interface LbfgsOptions {
  readonly maxIterations: number;
  /** Stops when the largest gradient component is below this. */
  readonly gradientTolerance: number;
}

export interface LbfgsResult {
  readonly point: Tensor; // outside every scope; the caller disposes it
  readonly iterations: number;
  readonly hasConverged: boolean;
}

/** Correction pairs kept. */
const MEMORY_PAIRS = 10;
/** Armijo's condition: share of the predicted decrease that a step must bring. */
const SUFFICIENT_DECREASE = 1e-4;
const MAX_HALVINGS = 30;

interface Pair {
  readonly step: Tensor;
  readonly change: Tensor;
  readonly rho: number; // 1 / (step . change)
}

interface State {
  readonly point: Tensor;
  readonly value: number;
  readonly gradient: Tensor;
}

/** Minimises `evaluate` from `start` (float64 [n]; not changed). */
export function lbfgs(start: Tensor, evaluate: (point: Tensor) => Evaluation, options: LbfgsOptions): LbfgsResult {
  const pairs: Pair[] = [];
  let state = scope(() => kept({ point: start.clone(), ...evaluate(start) }));
  let iterations = 0;
  let hasConverged = isFlat(state.gradient, options.gradientTolerance);
  try {
    while (!hasConverged && iterations < options.maxIterations) {
      const before = state;
      const next = scope(() => {
        const direction = directionOf(before.gradient, pairs);
        const found = lineSearch(before, direction, evaluate, pairs.length === 0);
        return found === undefined ? undefined : { state: kept(found), pair: pairOf(before, found) };
      });
      // No decrease along the direction: the arithmetic's limit is reached.
      if (next === undefined) break;
      iterations += 1;
      state = next.state;
      if (next.pair !== undefined) pairs.push(next.pair);
      if (pairs.length > MEMORY_PAIRS) disposePair(pairs.shift());
      before.point.dispose();
      before.gradient.dispose();
      hasConverged = isFlat(state.gradient, options.gradientTolerance);
    }
    return { point: state.point, iterations, hasConverged };
  } finally {
    state.gradient.dispose();
    pairs.forEach(disposePair);
  }
}

/** -H g with the inverse Hessian implied by the pairs. */
function directionOf(gradient: Tensor, pairs: readonly Pair[]): Tensor {
  const direction = gradient.neg();
  const shares: number[] = [];
  for (const pair of pairs.toReversed()) {
    const share = pair.rho * dot(pair.step, direction);
    direction.sub_(pair.change.mul(share));
    shares.push(share);
  }
  const last = pairs.at(-1);
  if (last !== undefined) direction.mul_(1 / (last.rho * dot(last.change, last.change)));
  for (const pair of pairs) {
    const share = shares.pop() ?? 0;
    direction.add_(pair.step.mul(share - pair.rho * dot(pair.change, direction)));
  }
  return direction;
}

/** The first of 1, 1/2, 1/4, ... that decreases the value enough; the very first step has length at most 1. */
function lineSearch(
  from: State,
  direction: Tensor,
  evaluate: (point: Tensor) => Evaluation,
  isFirst: boolean,
): State | undefined {
  const slope = dot(from.gradient, direction);
  if (!(slope < 0)) return undefined;
  let length = isFirst ? Math.min(1, 1 / Math.sqrt(dot(direction, direction))) : 1;
  for (let halving = 0; halving < MAX_HALVINGS; halving++) {
    const point = from.point.add(direction.mul(length));
    const { value, gradient } = evaluate(point);
    if (value <= from.value + SUFFICIENT_DECREASE * length * slope && value < from.value) {
      return { point, value, gradient };
    }
    length /= 2;
  }
  return undefined;
}

/** The correction of a step; none where the curvature is not positive. */
function pairOf(before: State, after: State): Pair | undefined {
  const step = after.point.sub(before.point);
  const change = after.gradient.sub(before.gradient);
  const curvature = dot(step, change);
  if (!(curvature > 1e-12 * dot(change, change))) return undefined;
  return { step: keep(step), change: keep(change), rho: 1 / curvature };
}

function kept(state: State): State {
  return { point: keep(state.point), value: state.value, gradient: keep(state.gradient) };
}

function disposePair(pair: Pair | undefined): void {
  pair?.step.dispose();
  pair?.change.dispose();
}

function isFlat(gradient: Tensor, tolerance: number): boolean {
  return scope(() => gradient.abs().max().item()) <= tolerance;
}

function dot(a: Tensor, b: Tensor): number {
  return scope(() => a.dot(b).item());
}
