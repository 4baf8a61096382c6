// Copying a state (tensors by name) over another after a full comparison, so that a wrong file changes nothing. Modules and optimizers
// load through here.

import { noGrad } from '../autograd.js';
import { type DType, isFloatingPoint } from '../dtype.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** The difference between the names of one's own state and those of a given one. */
export interface StateDictDifference {
  readonly missing: readonly string[]; // in one's own only
  readonly unexpected: readonly string[]; // in the given one only
}

/** How a state is loaded. */
export interface LoadStateOptions {
  /** Whether missing or unexpected names are an error; another shape or kind of dtype always is. Default true. */
  readonly strict?: boolean;
}

/** A state that does not fit. The message names the first differences of each kind, the fields have all. */
export class StateDictError extends Error implements StateDictDifference {
  override readonly name = 'StateDictError';
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** `name: dtype [shape] here, dtype [shape] given` of entries with another shape or kind of dtype. */
  readonly mismatched: readonly string[];

  constructor(message: string, { missing, unexpected, mismatched }: FullDifference) {
    super(message);
    this.missing = missing;
    this.unexpected = unexpected;
    this.mismatched = mismatched;
  }
}

interface FullDifference extends StateDictDifference {
  readonly mismatched: readonly string[];
}

// A message with every name of a network would hide what it says.
const NAMES_SHOWN = 8;

/**
 * Copies the values of `given` into the tensors of `own` with the same names, converting float dtypes among each other and integers
 * among each other.
 * @param where begins the error's text
 * Throws StateDictError before anything is copied.
 */
export function copyState(
  where: string,
  own: ReadonlyMap<string, Tensor>,
  given: ReadonlyMap<string, Tensor>,
  { strict = true }: LoadStateOptions = {},
): StateDictDifference {
  const difference = compare(own, given);
  const { missing, unexpected, mismatched } = difference;
  const problems = [
    ...(strict ? [...listed('missing', missing, ', '), ...listed('unexpected', unexpected, ', ')] : []),
    ...listed('mismatched', mismatched, '; '),
  ];
  if (problems.length > 0) {
    throw new StateDictError(
      `${where}: names, shapes and kinds of dtype must be those of its ${own.size} tensors, got ${problems.join('; ')}; ` +
        'use the state of the same configuration',
      difference,
    );
  }
  scope(() =>
    noGrad(() => {
      for (const [name, tensor] of own) {
        const values = given.get(name);
        if (values !== undefined) tensor.copy_(values);
      }
    }),
  );
  return { missing, unexpected };
}

function compare(own: ReadonlyMap<string, Tensor>, given: ReadonlyMap<string, Tensor>): FullDifference {
  return {
    missing: [...own.keys()].filter((name) => !given.has(name)),
    unexpected: [...given.keys()].filter((name) => !own.has(name)),
    mismatched: [...own].flatMap(([name, tensor]) => {
      const values = given.get(name);
      const fits =
        values === undefined ||
        (values.shape.join() === tensor.shape.join() && kindOf(values.dtype) === kindOf(tensor.dtype));
      return fits ? [] : [`${name}: ${described(tensor)} here, ${described(values)} given`];
    }),
  };
}

function kindOf(dtype: DType): 'float' | 'complex' | 'integer' {
  if (dtype === 'complex64' || dtype === 'complex128') return 'complex';
  return isFloatingPoint(dtype) ? 'float' : 'integer';
}

function listed(kind: string, entries: readonly string[], separator: string): string[] {
  if (entries.length === 0) return [];
  const shown = entries.slice(0, NAMES_SHOWN).join(separator);
  return [`${entries.length} ${kind} (${shown}${entries.length > NAMES_SHOWN ? `${separator}...` : ''})`];
}

function described({ dtype, shape }: Tensor): string {
  return `${dtype} [${shape.join(', ')}]`;
}
