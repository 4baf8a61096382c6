/** One image's theta: the same rule for every transformation. */
import type { ParameterSpec, UniformDraw } from './transformation.js';

/**
 * With probability `prob` every parameter U(min, max), independent; else 0, the identity of every transformation.
 * Takes 1 + P draws in both cases, so that a stream goes on alike whatever is drawn.
 */
export function sampleParameters(specs: readonly ParameterSpec[], prob: number, draw: UniformDraw): Float32Array {
  const isApplied = draw() < prob;
  const values = specs.map(({ min, max }) => min + (max - min) * draw());
  return Float32Array.from(values, (value) => (isApplied ? value : 0));
}

/** A parameter that is drawn from [-limit, limit]. */
export function symmetric(name: string, unit: ParameterSpec['unit'], limit: number): ParameterSpec {
  return { name, unit, min: -limit, max: limit };
}
