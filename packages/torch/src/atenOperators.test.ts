// Writes atenOperators.gen.ts as well as checks it: `npx vitest run packages/torch/src/atenOperators.test.ts -u`.

import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';
import { type OperatorDescription, type ReturnDescription, engine } from './native.js';
import { operatorNames } from './ops.js';

const header = `// Written by atenOperators.test.ts from the schemas of libtorch; do not edit.
// The raw operators of the namespace aten by name and overload, with the types of their results.

import type { DType } from './dtype.js';
import type { RawCall as Call, RawOperator as Op } from './rawOperator.js';
import type { Tensor } from './tensor.js';
import type { Scalar } from './values.js';

/** A tensor that is left out where a mask among the arguments says so. */
type MaybeTensor = Tensor | undefined;

/** The namespace aten of \`ops\`. */
export interface AtenOperators {
`;

function resultType({ arguments: rules, returns }: OperatorDescription): string {
  const hasMask = rules.some(({ kind, isList }) => kind === 'bool' && isList);
  const types: Readonly<Record<string, string>> = {
    Tensor: hasMask ? 'MaybeTensor' : 'Tensor',
    Scalar: 'Scalar',
    int: 'number',
    float: 'number',
    bool: 'boolean',
    ScalarType: 'DType',
  };
  const typeOf = ({ kind, isList }: ReturnDescription) => `${types[kind] ?? 'never'}${isList ? '[]' : ''}`;
  if (returns.length === 0) return 'undefined';
  return returns.length === 1 ? returns.map(typeOf).join('') : `[${returns.map(typeOf).join(', ')}]`;
}

function entryOf(name: string, overloads: ReadonlyMap<string, string>): string {
  const only = overloads.get('default') ?? (overloads.size === 1 ? [...overloads.values()][0] : undefined);
  const members = [...overloads].map(([overload, type]) => `${overload}: Op<${type}>`).join('; ');
  return `  ${name}: ${only === undefined ? '' : `Call<${only}> & `}{ ${members} };\n`;
}

it('atenOperators.gen.ts is what the schemas in use say', async () => {
  const operators = new Map<string, Map<string, string>>();
  for (const fullName of operatorNames().filter((name) => name.startsWith('aten::'))) {
    const [qualified = '', overload = ''] = fullName.split('.');
    const name = qualified.slice('aten::'.length);
    const overloads = operators.get(name) ?? new Map<string, string>();
    const type = resultType(engine().describeOperator(engine().resolve(qualified, overload)));
    operators.set(name, overloads.set(overload === '' ? 'default' : overload, type));
  }
  const path = new URL('atenOperators.gen.ts', import.meta.url).pathname;
  const text = `${header}${Array.from(operators, ([name, overloads]) => entryOf(name, overloads)).join('')}}\n`;
  const formatted = await format(text, { ...(await resolveConfig(path)), filepath: path });
  await expect(formatted).toMatchFileSnapshot(path);
});
