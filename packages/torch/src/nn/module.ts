// What a layer is: a tree of modules whose own properties are its parameters, buffers and children.
//
// Names in a state dict are the property paths in snake_case (`patchEmbed.proj.weight` -> `patch_embed.proj.weight`), which makes
// them the names of PyTorch's own layers and of official checkpoints.

import { noGrad } from '../autograd.js';
import type { Generator } from '../generator.js';
import { engine } from '../native.js';
import { isTensor } from '../adopt.js';
import { keep, scope } from '../scope.js';
import { Tensor } from '../tensor.js';

/** What a forward pass needs beside its input: nothing about mode, randomness or precision is ambient. */
export interface ForwardContext {
  readonly train: boolean;
  readonly rng: Generator;
  /** Dtype of matrix products and convolutions. Parameters, norms' statistics, softmax sums and losses stay float32. */
  readonly computeDtype: 'float32' | 'bfloat16';
}

/** A tensor that is trained: a leaf that requires a gradient and that no scope disposes. */
export class Parameter extends Tensor {
  /** Takes over the values (not a copy) of a tensor. */
  constructor(values: Tensor) {
    super(engine().alias(values.handle));
    keep(this);
    this.requiresGrad_();
  }
}

/** The difference between the names of a module and those of a state dict. */
export interface StateDictDifference {
  readonly missing: readonly string[]; // in the module only
  readonly unexpected: readonly string[]; // in the state dict only
}

/** A state dict that does not fit a module; the message names every difference. */
export class StateDictError extends Error {
  override readonly name = 'StateDictError';
}

/** A layer or network. Subclasses are final, assign parameters, buffers and children to own properties, and have one `forward`. */
export abstract class Module {
  /** Every parameter by name, children after own ones, in the order of the properties. */
  namedParameters(): [name: string, parameter: Parameter][] {
    return this.#entries('').filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter);
  }

  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** Every tensor that is state but not trained, by name. */
  namedBuffers(): [name: string, buffer: Tensor][] {
    return this.#entries('').filter(([, tensor]) => !(tensor instanceof Parameter));
  }

  buffers(): Tensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  /** Number of trained values. */
  numParameters(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  /** Parameters and buffers by name: the tensors themselves, not copies. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#entries(''));
  }

  /**
   * Copies values of the same names and shapes into this module, converting dtypes.
   * @param strict whether missing or unexpected names are an error; shapes that differ always are
   * @throws StateDictError before anything is copied
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, { strict = true }: { strict?: boolean } = {}): StateDictDifference {
    const own = this.stateDict();
    const missing = [...own.keys()].filter((name) => !state.has(name));
    const unexpected = [...state.keys()].filter((name) => !own.has(name));
    const misshapen = [...own].flatMap(([name, tensor]) => {
      const given = state.get(name);
      if (given === undefined || given.shape.join() === tensor.shape.join()) return [];
      return [`${name}: [${tensor.shape.join(', ')}] here, [${given.shape.join(', ')}] given`];
    });
    const problems = [
      ...(strict && missing.length > 0 ? [`missing ${missing.join(', ')}`] : []),
      ...(strict && unexpected.length > 0 ? [`unexpected ${unexpected.join(', ')}`] : []),
      ...(misshapen.length > 0 ? [`other shapes ${misshapen.join('; ')}`] : []),
    ];
    if (problems.length > 0) {
      throw new StateDictError(`loadStateDict: names and shapes must be the module's, got ${problems.join('; ')}`);
    }
    scope(() =>
      noGrad(() => {
        for (const [name, tensor] of own) {
          const given = state.get(name);
          if (given !== undefined) tensor.copy_(given);
        }
      }),
    );
    return { missing, unexpected };
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

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
