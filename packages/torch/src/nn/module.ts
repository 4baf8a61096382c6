// What a layer is: a tree of modules whose own properties are its parameters, buffers and children.
//
// Names in a state dict are the property paths in snake_case (`patchEmbed.proj.weight` -> `patch_embed.proj.weight`), which makes
// them the names of PyTorch's own layers and of official checkpoints.

import { isTensor } from '../adopt.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { Parameter } from './parameter.js';
import { type StateDictDifference, copyState } from './stateDict.js';

/** What a forward pass needs beside its input: nothing about mode, randomness or precision is ambient. */
export interface ForwardContext {
  readonly train: boolean;
  readonly rng: Generator;
  /** Dtype of matrix products and convolutions. Parameters, norms' statistics, softmax sums and losses stay float32. */
  readonly computeDtype: 'float32' | 'bfloat16';
}

/**
 * A layer or network. Subclasses are final, assign parameters (`Parameter`), buffers (any other tensor), children (`Module`) and arrays
 * of these to own public properties, and have one `forward`. Private (`#`) properties are not part of the state.
 * @example class Head extends Module { readonly fc: Linear; ... forward(x: Tensor, ctx: ForwardContext): Tensor { ... } }
 */
export abstract class Module {
  /** Every parameter by name, in the order of the properties; one that is shared comes once, under its first name. */
  namedParameters(): [name: string, parameter: Parameter][] {
    return onceEach(this.#entries('').filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter));
  }

  /** The tensors of `namedParameters`. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** Every tensor that is state but not trained, by name. */
  namedBuffers(): [name: string, buffer: Tensor][] {
    return onceEach(this.#entries('').filter(([, tensor]) => !(tensor instanceof Parameter)));
  }

  /** The tensors of `namedBuffers`. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  /** Number of trained values. */
  numParameters(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  /** Parameters and buffers by name, a shared one under each of its names: the tensors themselves, not copies. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#entries(''));
  }

  /**
   * Copies values of the same names and shapes into this module, converting float dtypes.
   * @param strict whether missing or unexpected names are an error; shapes that differ always are
   * Throws StateDictError, which names every difference, before anything is copied.
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, options: { readonly strict?: boolean } = {}): StateDictDifference {
    return copyState('loadStateDict', this.stateDict(), state, options);
  }

  #entries(prefix: string): [string, Tensor][] {
    return Object.entries(this).flatMap(([property, value]: [string, unknown]) =>
      entriesOf(`${prefix}${snakeCase(property)}`, value, (child, path) => child.#entries(`${path}.`)),
    );
  }
}

function entriesOf(
  path: string,
  value: unknown,
  entriesOfChild: (child: Module, path: string) => [string, Tensor][],
): [string, Tensor][] {
  if (isTensor(value)) return [[path, value]];
  if (value instanceof Module) return entriesOfChild(value, path);
  if (!Array.isArray(value)) return [];
  return value.flatMap((member: unknown, i) => entriesOf(`${path}.${i}`, member, entriesOfChild));
}

function onceEach<T extends Tensor>(entries: readonly [string, T][]): [string, T][] {
  const seen = new Set<Tensor>();
  return entries.filter(([, tensor]) => !seen.has(tensor) && seen.add(tensor));
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
