// Every operator of libtorch by its full name, also those without a typed method. Arguments are positional, in the order of the schema.

import { readFileSync } from 'node:fs';
import { Operator, invalidateShapes, invoke, takeOptionalTensor, takeTensors, tensorOf } from './dispatch.js';
import {
  type DType,
  type Device,
  type Layout,
  type MemoryFormat,
  deviceNumber,
  dtypeNumber,
  layoutNumber,
  memoryFormatNumber,
} from './dtype.js';
import { TorchError } from './errors.js';
import type { Generator } from './generator.js';
import {
  type ArgumentDescription,
  type Encoded,
  type OperatorDescription,
  type ReturnDescription,
  engine,
} from './native.js';
import * as encode from './operands.js';
import type { Tensor } from './tensor.js';

/** What a raw operator takes: undefined stands for the schema's default, null for none. */
export type RawValue =
  | Tensor
  | Generator
  | number
  | boolean
  | string
  | null
  | undefined
  | readonly number[]
  | readonly boolean[]
  | readonly (Tensor | undefined)[];

/** What a raw operator gives: one value, or as many as the schema says. */
export type RawResult = Tensor | Tensor[] | number | boolean | string | null | undefined;

/** A raw operator: call it, or ask for its schema. */
export interface RawOperator {
  (...operands: readonly RawValue[]): RawResult | RawResult[];
  readonly schema: string;
}

const found = new Map<string, RawOperator>();

/**
 * The operator of a full name, `namespace::name.overload` or `namespace::name` for the overload without a name.
 * Throws TorchError when this libtorch does not have it, or when it is known to crash inside libtorch (unsafe-ops.json) and
 * `allowUnsafe` is not set. Calling it checks every argument against the schema.
 * @example const sum = ops('aten::add.Tensor')(a, b, 1);
 */
export function ops(fullName: string, { allowUnsafe = false }: { allowUnsafe?: boolean } = {}): RawOperator {
  const known = found.get(fullName);
  if (known !== undefined) return known;
  const reason = allowUnsafe ? undefined : unsafeReasons().get(fullName);
  if (reason !== undefined) {
    throw new TorchError(
      `ops: ${fullName} may crash the process: ${reason}; pass { allowUnsafe: true } to call it all the same`,
      fullName,
    );
  }
  const [name = '', overload = ''] = fullName.split('.', 2);
  const op = new Operator(name, overload);
  const description = engine().describeOperator(op.resolve());
  const call = (...operands: readonly RawValue[]) => callRaw(op, description, operands);
  const operator = Object.assign(call, { schema: description.schema });
  if (!allowUnsafe) found.set(fullName, operator);
  return operator;
}

/** The full names of all operators of this libtorch. */
export function operatorNames(): string[] {
  return engine().operatorNames().sort();
}

function callRaw(
  op: Operator,
  description: OperatorDescription,
  operands: readonly RawValue[],
): RawResult | RawResult[] {
  const rules = description.arguments;
  if (operands.length > rules.length) {
    throw new TorchError(`${op.name}: takes at most ${rules.length} arguments, got ${operands.length}`, op.name);
  }
  const returned = invoke(op, ...operands.map((value, index) => encodeRaw(rules[index], value)));
  if (rules.some((rule) => rule.isWritten)) invalidateShapes();
  const [first, ...others] = description.returns;
  if (first === undefined) return undefined;
  if (others.length > 0) return description.returns.map(takeResult);
  if (first.kind !== 'Tensor' || first.isList) return takeResult(first);
  if (first.writtenArgument >= 0) return operands[first.writtenArgument] as Tensor;
  return returned < 0 ? undefined : tensorOf(returned);
}

function takeResult({ kind, isList }: ReturnDescription): RawResult {
  if (kind === 'Tensor') return isList ? takeTensors() : takeOptionalTensor();
  if (isList) throw new TorchError(`ops: results that are lists of ${kind} have no counterpart in TypeScript`);
  return engine().takeValue();
}

// The addon checks what comes out of here against the schema; so a wrong type may pass through as it is.
function encodeRaw(rule: ArgumentDescription | undefined, value: RawValue): Encoded {
  if (value === undefined || value === null || rule === undefined) return value === null ? null : undefined;
  if (rule.isList) return encodeList(rule, value);
  switch (rule.kind) {
    case 'Tensor':
      return encode.operand(value as Tensor);
    case 'ScalarType':
      return dtypeNumber(value as DType);
    case 'Device':
      return deviceNumber(value as Device);
    case 'Layout':
      return layoutNumber(value as Layout);
    case 'MemoryFormat':
      return memoryFormatNumber(value as MemoryFormat);
    case 'Generator':
      return encode.generator(value as Generator);
    case 'Scalar':
    case 'int':
    case 'float':
    case 'bool':
    case 'str':
    case 'unsupported':
      if (typeof value === 'object')
        throw new TorchError(`ops: argument ${rule.name} must be ${rule.kind}, got an object`);
      return value;
    default:
      return rule.kind satisfies never;
  }
}

function encodeList(rule: ArgumentDescription, value: RawValue): Encoded {
  if (rule.kind === 'Tensor') return encode.tensors(value as readonly Tensor[]);
  if (rule.kind === 'bool') return encode.booleans(value as readonly boolean[]);
  return encode.numbers(value as readonly number[], Math.max(1, rule.listLength));
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
