// An operator by its schema alone: any argument and any result that a schema may have.

import { closest } from 'fastest-levenshtein';
import { Operator, invalidateShapes, invoke, takeOptionalTensor, tensorOf } from './dispatch.js';
import {
  type DType,
  type Device,
  type Layout,
  type MemoryFormat,
  deviceNumber,
  dtypeNumber,
  dtypeOfNumber,
  layoutNumber,
  memoryFormatNumber,
} from './dtype.js';
import { TorchError } from './errors.js';
import type { Generator } from './generator.js';
import { type ArgumentDescription, type Encoded, type ReturnDescription, engine } from './native.js';
import * as encode from './operands.js';
import type { Tensor } from './tensor.js';
import { type Scalar, isComplex } from './values.js';

/**
 * What a raw operator takes, by the type in its schema: a tensor, a generator, a list; a number, a boolean, a bigint or `{ re, im }` for a
 * Scalar; for ScalarType, Device, Layout and MemoryFormat the names of DType, Device, Layout and MemoryFormat. A number may stand for a
 * tensor, and one number for the n of an `int[n]`. undefined stands for the schema's default, null for none.
 */
export type RawValue =
  Tensor | Generator | Scalar | string | null | undefined | readonly (Tensor | Scalar | string | null | undefined)[];

/** Arguments by the names in the schema, as a last operand: `{ keepdim: true }`. */
export type RawKeywords = Readonly<Record<string, RawValue>>;

/** Positional arguments, in the order of the schema, then keywords. */
export type RawOperands = readonly (RawValue | RawKeywords)[];

/** What a raw operator gives: one value, nothing, or as many as the schema says. A tensor that has no value is undefined. */
export type RawResult = Tensor | Scalar | string | null | undefined | RawResult[];

/** A call of a raw operator. */
export type RawCall<Result = RawResult> = (...operands: RawOperands) => Result;

/** A raw operator: call it, or ask for its schema. */
export interface RawOperator<Result = RawResult> extends RawCall<Result> {
  /** `aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor` */
  readonly schema: string;
}

/** The operator of a full name. Throws TorchError when this libtorch does not have it. Calling it checks every argument against the schema. */
export function rawOperator(fullName: string): RawOperator {
  const [name = '', overload = ''] = fullName.split('.', 2);
  const op = new Operator(name, overload);
  const { schema, arguments: rules, returns } = engine().describeOperator(op.resolve());
  const isWriting = rules.some((rule) => rule.isWritten);
  const call = (...operands: RawOperands): RawResult => {
    const values = arrange(fullName, rules, operands);
    const returned = invoke(op, ...values.map((value, index) => encodeRaw(rules[index], value)));
    if (isWriting) invalidateShapes();
    const [first, ...others] = returns;
    if (first === undefined) return undefined;
    if (others.length > 0) return returns.map((result) => takeResult(result, values));
    if (first.kind !== 'Tensor' || first.isList) return takeResult(first, values);
    if (first.writtenArgument >= 0) return values[first.writtenArgument] as Tensor;
    return returned < 0 ? undefined : tensorOf(returned);
  };
  return Object.assign(call, { schema });
}

/** Values in the order of the schema, from positional ones and keywords. */
function arrange(fullName: string, rules: readonly ArgumentDescription[], operands: RawOperands): readonly RawValue[] {
  const last = operands.at(-1);
  const positional = (isKeywords(last) ? operands.slice(0, -1) : operands) as readonly RawValue[];
  if (positional.length > rules.length) {
    throw new TorchError(`${fullName}: takes at most ${rules.length} arguments, got ${positional.length}`, fullName);
  }
  if (!isKeywords(last)) return positional;
  const values = Array.from(rules, (_, index) => positional[index]);
  for (const [key, value] of Object.entries(last)) {
    const index = rules.findIndex((rule) => rule.name === key);
    if (index < 0) {
      const names = rules.map((rule) => rule.name);
      const hint = names.length === 0 ? 'it takes none' : `did you mean ${closest(key, names)} of ${names.join(' ')}?`;
      throw new TorchError(`${fullName}: has no argument ${key}; ${hint}`, fullName);
    }
    if (index < positional.length) throw new TorchError(`${fullName}: argument ${key} is given twice`, fullName);
    values[index] = value;
  }
  return values;
}

function isKeywords(value: RawValue | RawKeywords): value is RawKeywords {
  if (typeof value !== 'object' || value === null || isComplex(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
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
      if (typeof value !== 'object' || isComplex(value)) return value;
      throw new TorchError(`argument: ${rule.name} must be ${rule.kind}, got an object`);
    default:
      return rule.kind satisfies never;
  }
}

function encodeList(rule: ArgumentDescription, value: RawValue): Encoded {
  if (rule.kind === 'Tensor') return encode.tensors(value as readonly Tensor[]);
  if (rule.kind === 'bool') return encode.booleans(value as readonly boolean[]);
  const isForBuffer = !Array.isArray(value) || value.every((entry) => typeof entry === 'number');
  if (isForBuffer) return encode.numbers(value as readonly number[], Math.max(1, rule.listLength));
  return value as readonly (Scalar | string | null)[];
}

function takeResult({ kind, isList, writtenArgument }: ReturnDescription, values: readonly RawValue[]): RawResult {
  if (isList) return Array.from({ length: Number(engine().takeValue()) }, () => takeOne(kind));
  const taken = takeOne(kind);
  if (writtenArgument < 0) return taken;
  // Another handle of the argument: the argument itself is what the caller knows.
  (taken as Tensor).dispose();
  return values[writtenArgument] as Tensor;
}

function takeOne(kind: ReturnDescription['kind']): RawResult {
  if (kind === 'Tensor') return takeOptionalTensor();
  const value = engine().takeValue();
  return kind === 'ScalarType' ? dtypeOfNumber(Number(value)) : value;
}
