// Reading what modules inside a network put out, without a change to the network: for probes and for looking at features.

import type { Module } from './module.js';

type Capturable = Module & { forward(...inputs: never[]): unknown };

/** What each module put out, call by call. */
export type CapturedOutputs<Modules extends Readonly<Record<string, Capturable>>> = {
  readonly [Name in keyof Modules]: ReturnType<Modules[Name]['forward']>[];
};

/**
 * Runs `fn` and notes what the given modules return meanwhile, in the order of their calls. For reading: nothing is changed on the way.
 * Tensors belong to the scope that was current when they were made, so a module inside a scope of its own leaves disposed ones.
 * @example
 * const { result, outputs } = captureOutputs({ middle: vit.blocks[5] }, () => vit.forward(images, ctx));
 * outputs.middle[0]; // [B, T, D]
 */
export function captureOutputs<const Modules extends Readonly<Record<string, Capturable>>, Result>(
  modules: Modules,
  fn: () => Result,
): { readonly result: Result; readonly outputs: CapturedOutputs<Modules> } {
  const captured = Object.entries(modules).map(([name, module]) => ({ name, ...capture(module) }));
  try {
    const result = fn();
    const outputs = Object.fromEntries(captured.map(({ name, outputs }) => [name, outputs]));
    return { result, outputs: outputs as CapturedOutputs<Modules> };
  } finally {
    for (const { stop } of captured.reverse()) stop();
  }
}

/** Hides `forward` behind a property of the instance until `stop`. */
function capture(module: Capturable): { readonly outputs: unknown[]; readonly stop: () => void } {
  const outputs: unknown[] = [];
  const before = Object.getOwnPropertyDescriptor(module, 'forward');
  const forward = module.forward.bind(module) as (...inputs: unknown[]) => unknown;
  const value = (...inputs: unknown[]): unknown => {
    const output = forward(...inputs);
    outputs.push(output);
    return output;
  };
  Object.defineProperty(module, 'forward', { value, configurable: true });
  const stop = (): void => {
    if (before === undefined) Reflect.deleteProperty(module, 'forward');
    else Object.defineProperty(module, 'forward', before);
  };
  return { outputs, stop };
}
