// What a layer is: a tree of modules whose own properties are its parameters, buffers and children.
//
// Names in a state dict are the property paths in snake_case (`patchEmbed.proj.weight` -> `patch_embed.proj.weight`), which makes
// them the names of PyTorch's own layers and of official checkpoints.

import { isTensor } from '../adopt.js';
import type { Device } from '../dtype.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { Parameter } from './parameter.js';
import { type LoadStateOptions, type StateDictDifference, copyState } from './stateDict.js';

interface ComputeContext {
  /** Dtype of matrix products and convolutions. Parameters, norms' statistics, softmax sums and losses stay float32. */
  readonly computeDtype: 'float32' | 'bfloat16';
}

/** A forward pass in training: dropout draws, batch norm uses and tracks the batch. */
export interface TrainingContext extends ComputeContext {
  readonly train: true;
  readonly rng: Generator;
}

/** A forward pass out of training, where nothing is drawn; `{ ...ctx, train: false }` for a part that is frozen. */
export interface EvaluationContext extends ComputeContext {
  readonly train: false;
  readonly rng?: Generator | undefined;
}

/** What a forward pass needs beside its input: nothing about mode, randomness or precision is ambient. */
export type ForwardContext = TrainingContext | EvaluationContext;

/**
 * A layer or network. Subclasses assign parameters (`Parameter`), buffers (any other tensor), children (`Module`) and arrays of these to
 * own public properties, and have one `forward`. Private (`#`) properties are not part of the state. A class is final or abstract.
 * @example class Head extends Module { readonly fc: Linear; ... forward(x: Tensor, ctx: ForwardContext): Tensor { ... } }
 */
export abstract class Module {
  /** Every parameter by name, in the order of the properties; one that is shared comes once, under its first name. */
  namedParameters(): [name: string, parameter: Parameter][] {
    return onceEach(this.#tensors('').filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter));
  }

  /** The tensors of `namedParameters`. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** Every tensor that is state but not trained, by name. */
  namedBuffers(): [name: string, buffer: Tensor][] {
    return onceEach(this.#tensors('').filter(([, tensor]) => !(tensor instanceof Parameter)));
  }

  /** The tensors of `namedBuffers`. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  /** This module, whose name is '', and all below it by name, parents before children; one that is shared comes once. */
  namedModules(): [name: string, module: Module][] {
    return onceEach(this.#modules(''));
  }

  /** Number of values in the parameters, or with `trainable` in those that require a gradient. */
  numParameters({ trainable = false }: { readonly trainable?: boolean } = {}): number {
    const counted = this.parameters().filter((parameter) => !trainable || parameter.requiresGrad);
    return counted.reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  /**
   * Sets whether every parameter requires a gradient; false freezes them: gradients they have are dropped, and optimizers leave
   * alone what has none.
   */
  requiresGrad_(flag = true): this {
    for (const parameter of this.parameters()) {
      parameter.requiresGrad_(flag);
      if (!flag) parameter.grad = undefined;
    }
    return this;
  }

  /**
   * Moves every parameter and buffer to a device, in place; gradients of what moves are dropped. Make optimizers afterwards: their state
   * lies where the parameters are. Throws DeviceError when the device cannot be used.
   */
  to(device: Device): this {
    const tensors = new Set(this.stateDict().values());
    for (const tensor of tensors) tensor.moveTo(device);
    return this;
  }

  /** Parameters and buffers by name, a shared one under each of its names: the tensors themselves, not copies. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#tensors(''));
  }

  /**
   * Copies values of the same names and shapes into this module, converting float dtypes.
   * Throws StateDictError, which names every difference, before anything is copied.
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, options: LoadStateOptions = {}): StateDictDifference {
    return copyState('loadStateDict', this.stateDict(), state, options);
  }

  #tensors(prefix: string): [string, Tensor][] {
    return this.#members(prefix).flatMap(([path, member]) =>
      member instanceof Module ? member.#tensors(`${path}.`) : [[path, member]],
    );
  }

  #modules(prefix: string): [string, Module][] {
    const below = this.#members(prefix).flatMap(([path, member]) =>
      member instanceof Module ? member.#modules(`${path}.`) : [],
    );
    return [[prefix.slice(0, -1), this], ...below];
  }

  #members(prefix: string): [path: string, member: Tensor | Module][] {
    return Object.entries(this).flatMap(([property, value]: [string, unknown]) =>
      membersOf(`${prefix}${snakeCase(property)}`, value),
    );
  }
}

/** A module of one tensor, which is what can stand in a `Sequential`. */
export interface Layer extends Module {
  forward(x: Tensor, ctx: ForwardContext): Tensor;
}

function membersOf(path: string, value: unknown): [path: string, member: Tensor | Module][] {
  if (isTensor(value) || value instanceof Module) return [[path, value]];
  if (!Array.isArray(value)) return [];
  return value.flatMap((member: unknown, i) => membersOf(`${path}.${i}`, member));
}

function onceEach<T>(entries: readonly [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
