// What can be called with random arguments, and one such call as a function with its text.

import { readFileSync } from 'node:fs';
import * as torch from '../dist/index.js';
import { engine } from '../dist/native.js';
import { camel, isMethod, parametersOf } from '../gen/renderOps.mjs';
import { describe } from './describe.mjs';
import { fittingArguments } from './fittingArguments.mjs';
import { FittingValues } from './fittingValues.mjs';
import { handWritten } from './handWritten.mjs';
import { HostileValues } from './hostileValues.mjs';
import { nearMiss } from './nearMiss.mjs';

/**
 * @typedef {object} Callable
 * @property {string} entry its name in reports
 * @property {string} name the operator's, without overload
 * @property {object[]} arguments as the dispatcher describes them
 * @property {(draw: FittingValues) => Record<string, unknown>} [fit] arguments that fit, where fittingArguments.mjs has none
 * @property {ErrorConstructor[]} [mayThrow] classes of errors beside the package's own
 * @property {boolean} [isOnTensor] the first argument is the receiver of a method, so always a tensor
 * @property {(operands: unknown[]) => { text: string, run: () => unknown }} bind a call with one operand an argument
 */

/** The typed operators of gen/ops.json and the functions written by hand. @returns {Callable[]} */
export function typedOperators() {
  const allowList = JSON.parse(readFileSync(new URL('../gen/ops.json', import.meta.url), 'utf8'));
  const generated = Object.values(allowList)
    .flat()
    .map((entry) => {
      const [name, overload = ''] = entry.split('.');
      const op = { entry, name, overload, ...engine().describeOperator(engine().resolve(`aten::${name}`, overload)) };
      return { ...op, isOnTensor: isMethod(op), bind: (operands) => bindTyped(op, operands) };
    });
  return [...generated, ...handWritten];
}

/** Every operator of libtorch by its full name; those of unsafe-ops.json refuse to be called. @returns {Callable[]} */
export function rawOperators() {
  return torch.operatorNames().map((entry) => {
    const [fullName, overload = ''] = entry.split('.');
    const described = engine().describeOperator(engine().resolve(fullName, overload));
    const bind = (operands) => ({
      text: `(${operands.map(describe).join(', ')})`,
      run: () => torch.ops(entry)(...operands),
    });
    return { entry, name: fullName.replace(/^.*::/, ''), arguments: described.arguments, bind };
  });
}

function bindTyped(op, operands) {
  const valueOf = new Map(op.arguments.map((argument, at) => [argument, operands[at]]));
  const isOnTensor = isMethod(op);
  const { positional, options } = parametersOf(op, isOnTensor);
  const values = positional.map(({ source }) => valueOf.get(source));
  const shown = options.filter(({ isHidden }) => !isHidden);
  if (shown.length > 0) {
    values.push(Object.fromEntries(shown.map(({ name, source }) => [name, valueOf.get(source)])));
  }
  const name = camel(op.name);
  const self = isOnTensor ? valueOf.get(op.arguments[0]) : torch;
  const text = `${isOnTensor ? describe(self) : 'torch'}.${name}(${values.map(describe).join(', ')})`;
  return { text, run: () => self[name](...values) };
}

/**
 * One call with random arguments. Where there are generators of arguments that fit, half of the calls have only such, and in the
 * other half one is replaced: by something hostile, or by what nearly fits.
 * @param {Callable} op
 * @param {import('./random.mjs').Random} random
 */
export function drawCall(op, random) {
  const hostile = new HostileValues(random);
  const fit = op.fit ?? fittingArguments[op.entry] ?? fittingArguments[op.name.replace(/_$/, '')];
  const fitting = fit?.(new FittingValues(random));
  const replaced = random.chance(0.5) ? random.pick(op.arguments) : undefined;
  const operands = op.arguments.map((argument, at) => {
    const value = fitting?.[argument.name];
    if (value !== undefined && argument === replaced && random.chance(0.5)) return nearMiss(value, random);
    if (fitting === undefined || argument === replaced) {
      return at === 0 && op.isOnTensor ? hostile.tensor() : hostile.value(argument);
    }
    if (value !== undefined) return value;
    return argument.isOptional || argument.hasDefault ? undefined : hostile.value(argument);
  });
  return { ...op.bind(operands), hasDisposed: hostile.hasDisposed };
}
