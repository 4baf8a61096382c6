// Every operator of libtorch under its own name, also those without a typed method: `ops.aten.add.Tensor(a, b)`.

import { readFileSync } from 'node:fs';
import { closest } from 'fastest-levenshtein';
import type { AtenOperators } from './atenOperators.gen.js';
import { TorchError } from './errors.js';
import { engine } from './native.js';
import { type RawCall, type RawOperator, rawOperator } from './rawOperator.js';

/** See `ops`. Types name the operators of aten; those of other namespaces have a full name. */
export interface RawOperators {
  (fullName: string, options?: { readonly allowUnsafe?: boolean }): RawOperator;
  readonly aten: AtenOperators;
}

/** namespace -> name -> overload (`default` for the one without a name) -> full name */
type Names = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, string>>>;

const byFullName = (
  fullName: string,
  { allowUnsafe = false }: { readonly allowUnsafe?: boolean } = {},
): RawOperator => {
  const [namespace, name, overload] = partsOf(fullName);
  const known = allNames().get(namespace)?.get(name)?.get(overload);
  if (known === undefined) throw unknownName(fullName, operatorNames());
  return allowUnsafe ? unguarded(known) : guarded(known);
};

/**
 * The operators of libtorch by namespace, name and overload, as PyTorch's `torch.ops` has them, or by full name. The overload without a
 * name is `default`; where there is that one, or only one, the operator's name alone can be called.
 * Arguments are positional, in the order of the schema, or by the schema's names in a last object.
 * Throws TorchError for a name that this libtorch does not have, with the nearest one. An operator known to crash inside libtorch
 * (unsafe-ops.json) refuses to be called, unless it was asked for as `ops(fullName, { allowUnsafe: true })`.
 * @example ops.aten.add.Tensor(a, b, { alpha: 2 }); ops.aten.relu(x); ops('aten::add.Tensor')(a, b);
 */
export const ops = withEntries(byFullName, '', allNames, (namespace, byName) =>
  withEntries(
    {},
    `${namespace}::`,
    () => byName,
    (name, byOverload) =>
      withEntries(
        callable(`${namespace}::${name}`, byOverload),
        `${namespace}::${name}.`,
        () => byOverload,
        (_, fullName) => guarded(fullName),
      ),
  ),
) as RawOperators;

/** The full names of all operators of this libtorch. */
export function operatorNames(): string[] {
  return engine().operatorNames().sort();
}

let names: Names | undefined;

function allNames(): Names {
  names ??= readNames();
  return names;
}

function readNames(): Names {
  const found = new Map<string, Map<string, Map<string, string>>>();
  for (const fullName of operatorNames()) {
    const [namespace, name, overload] = partsOf(fullName);
    const ofNamespace = found.get(namespace) ?? new Map<string, Map<string, string>>();
    const ofName = ofNamespace.get(name) ?? new Map<string, string>();
    found.set(namespace, ofNamespace.set(name, ofName.set(overload, fullName)));
  }
  return found;
}

function partsOf(fullName: string): [namespace: string, name: string, overload: string] {
  const [, namespace = '', name = '', overload = 'default'] = /^(.*?)::(.*?)(?:\.(.*))?$/s.exec(fullName) ?? [];
  return [namespace, name, overload];
}

/** Calls `default`, or the only overload. */
function callable(name: string, overloads: ReadonlyMap<string, string>): RawCall {
  const only = overloads.get('default') ?? (overloads.size === 1 ? [...overloads.values()][0] : undefined);
  return (...operands) => {
    if (only !== undefined) return guarded(only)(...operands);
    throw new TorchError(`ops: ${name} has the overloads ${[...overloads.keys()].join(' ')}; call one of these`, name);
  };
}

function unknownName(name: string, known: readonly string[]): TorchError {
  return new TorchError(`ops: ${name} is not in this libtorch; did you mean ${closest(name, known)}?`, name);
}

/**
 * `target` with the entries as properties, each made when it is first asked for. Another property is an error, unless all objects or
 * functions have it.
 */
function withEntries<Entry>(
  target: object,
  where: string,
  entries: () => ReadonlyMap<string | symbol, Entry>,
  make: (name: string, entry: Entry) => unknown,
): unknown {
  const made = new Map<string | symbol, unknown>();
  const get = (_: object, key: string | symbol): unknown => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const entry = entries().get(key);
    if (entry !== undefined) {
      const value = make(String(key), entry);
      made.set(key, value);
      return value;
    }
    // A promise asks every value for `then`.
    if (typeof key === 'symbol' || key === 'then' || key in target) return Reflect.get(target, key);
    throw unknownName(
      where + key,
      Array.from(entries().keys(), (name) => where + String(name)),
    );
  };
  return new Proxy(target, {
    get,
    set: () => false,
    has: (_, key) => entries().has(key),
    ownKeys: () => [...entries().keys()],
    getOwnPropertyDescriptor: (_, key) =>
      entries().has(key) ? { enumerable: true, configurable: true, get: () => get(target, key) } : undefined,
  });
}

const operators = new Map<string, RawOperator>();

/** The operator of a full name. */
function unguarded(fullName: string): RawOperator {
  let operator = operators.get(fullName);
  if (operator === undefined) {
    operator = rawOperator(fullName);
    operators.set(fullName, operator);
  }
  return operator;
}

/** The operator of a full name, or for one that may crash the process what only says so. */
function guarded(fullName: string): RawOperator {
  const reason = unsafeReasons().get(fullName);
  if (reason === undefined) return unguarded(fullName);
  const refuse = (): never => {
    throw new TorchError(
      `ops: ${fullName} may crash the process: ${reason}; ops('${fullName}', { allowUnsafe: true }) calls it all the same`,
      fullName,
    );
  };
  return Object.assign(refuse, { schema: unguarded(fullName).schema });
}

let reasons: ReadonlyMap<string, string> | undefined;

function unsafeReasons(): ReadonlyMap<string, string> {
  reasons ??= readUnsafeReasons();
  return reasons;
}

function readUnsafeReasons(): ReadonlyMap<string, string> {
  const entries = JSON.parse(readFileSync(new URL('../unsafe-ops.json', import.meta.url), 'utf8')) as {
    readonly op: string;
    readonly reason: string;
  }[];
  return new Map(entries.map(({ op, reason }) => [op, reason]));
}
