// Writes ops.gen.ts: one method for each operator of the allow-list whose first argument is a tensor, and a free function for each one
// whose first argument is not `self`. Overloads with one TypeScript name become one method that looks at its arguments.
// Pure: (allow-list, descriptions of the dispatcher) -> source text. generateOps.mjs runs it.

/** Tensor arguments that may be given as a number, as PyTorch's binary operators allow. */
const NUMBER_FRIENDLY = new Set(['other', 'exponent', 'value', 'end', 'min', 'max', 'weight:lerp']);

/** Integer arguments that stand for a choice: by argument name, the type and the encoder in operands.ts. */
const CHOICES = {
  reduction: ['Reduction', 'reduction'],
  interpolation_mode: ['Interpolation', 'interpolation'],
  padding_mode: ['GridPadding', 'gridPadding'],
};

export const camel = (name) => name.replace(/^_+/, '').replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const constantName = ({ name, overload }) =>
  `op${name.startsWith('_') ? '_' : ''}_${name.replace(/^_/, '')}${overload && `_${overload}`}`;

/** Type and encoder of one argument: the TypeScript type without `undefined`, and a function from an expression to its encoding. */
function argumentForm(argument, op) {
  const { name, kind, isList, isOptional, listLength } = argument;
  if (isList) return listForm(argument);
  switch (kind) {
    case 'Tensor': {
      const takesNumber =
        (NUMBER_FRIENDLY.has(name) && !op.name.endsWith('_as')) || // a number has no shape to take
        NUMBER_FRIENDLY.has(`${name}:${op.name.replace(/_$/, '')}`) ||
        (op.name === 'where' && name !== 'condition');
      const encoder = `${isOptional ? 'optional' : ''}${takesNumber ? (isOptional ? 'Operand' : 'operand') : isOptional ? 'Tensor' : 'tensor'}`;
      return {
        type: takesNumber ? 'Tensor | Scalar' : 'Tensor',
        encode: (value) => `encode.${encoder}(${value})`,
      };
    }
    case 'Scalar':
      return { type: 'Scalar', encode: (value) => value };
    case 'int':
      if (name in CHOICES) {
        const [type, encoder] = CHOICES[name];
        return { type, encode: (value) => `encode.${encoder}(${value})` };
      }
      return { type: 'number', encode: (value) => value };
    case 'float':
      return { type: 'number', encode: (value) => value };
    case 'bool':
      return { type: 'boolean', encode: (value) => value };
    case 'str':
      return { type: 'string', encode: (value) => value };
    case 'ScalarType':
      return { type: 'DType', encode: (value) => `dtypeNumber(${value})` };
    case 'Device':
      return { type: 'Device', encode: (value) => `deviceNumber(${value})` };
    case 'Layout':
      return { type: 'Layout', encode: (value) => `layoutNumber(${value})` };
    case 'MemoryFormat':
      return { type: 'MemoryFormat', encode: (value) => `memoryFormatNumber(${value})` };
    case 'Generator':
      return { type: 'Generator', encode: (value) => `encode.generator(${value})` };
    default:
      throw new Error(`${op.schema}: argument ${name} has no TypeScript type (${kind}, ${listLength})`);
  }
}

function listForm({ kind, listLength, elementIsOptional }) {
  switch (kind) {
    case 'Tensor':
      return {
        type: `readonly ${elementIsOptional ? '(Tensor | undefined)' : 'Tensor'}[]`,
        encode: (value) => `encode.tensors(${value})`,
      };
    case 'bool':
      return { type: 'readonly boolean[]', encode: (value) => `encode.booleans(${value})` };
    case 'int':
    case 'float':
    case 'Scalar':
      // One number stands for a list of one, or of as many as the schema says: `zeros(3)`, `x.view(-1)`, `x.any(1)`.
      return {
        type: 'readonly number[] | number',
        encode: (value) => `encode.numbers(${value}${listLength > 1 ? `, ${listLength}` : ''})`,
      };
    default:
      throw new Error(`a list of ${kind} has no TypeScript type`);
  }
}

/** The parameters of an operator without its receiver: positional ones, and keyword-only ones as options. */
export function parametersOf(op, hasReceiver) {
  const positional = [];
  const options = [];
  for (const argument of op.arguments.slice(hasReceiver ? 1 : 0)) {
    const form = {
      ...argumentForm(argument, op),
      name: camel(argument.name),
      mayBeLeftOut: argument.hasDefault || argument.isOptional,
    };
    // pin_memory concerns copies to accelerators only, and layouts other than strided are not supported.
    if (argument.name === 'pin_memory' || argument.name === 'layout') form.isHidden = true;
    (argument.isKeywordOnly ? options : positional).push({ ...form, source: argument });
  }
  return { positional, options };
}

function parameterList({ positional, options }) {
  const lastRequired = positional.findLastIndex((parameter) => !parameter.mayBeLeftOut);
  const texts = positional.map(({ name, type, mayBeLeftOut }, index) =>
    index > lastRequired ? `${name}?: ${type}` : `${name}: ${type}${mayBeLeftOut ? ' | undefined' : ''}`,
  );
  const shown = options.filter((option) => !option.isHidden);
  const shownTypes = shown.map(({ name, type, mayBeLeftOut }) =>
    mayBeLeftOut ? `${name}?: ${type} | undefined` : `${name}: ${type}`,
  );
  const optionsType = `{ ${shownTypes.join('; ')} }`;
  const isOptional = shown.every((option) => option.mayBeLeftOut);
  const names = shown.map(({ name }) => name).join(', ');
  return {
    // Options that must be given are looked at in the body, where leaving them out becomes a TorchError.
    prelude: isOptional ? '' : `const { ${names} } = encode.options(options);`,
    signature: [...texts, ...(shown.length > 0 ? [`options${isOptional ? '?' : ''}: ${optionsType}`] : [])].join(', '),
    implementation: [
      ...texts,
      ...(shown.length > 0 ? [isOptional ? `{ ${names} }: ${optionsType} = {}` : `options: ${optionsType}`] : []),
    ].join(', '),
  };
}

function encodedOperands(op, { positional, options }, receiver) {
  const encoded = [...positional, ...options].map(({ name, encode, isHidden }) =>
    isHidden ? 'undefined' : encode(name),
  );
  while (encoded.at(-1) === 'undefined') encoded.pop();
  return [constantName(op), ...(receiver === undefined ? [] : [receiver]), ...encoded].join(', ');
}

function returnForm(op) {
  const { returns } = op;
  if (isInPlace(op)) return { type: 'this', body: (call) => `${call}; return refreshed(this);` };
  if (returns.length === 1 && returns[0].kind === 'Tensor' && !returns[0].isList) {
    return { type: 'Tensor', body: (call) => `return tensorOf(${call});` };
  }
  const parts = returns.map(({ kind, isList }) => {
    if (kind === 'Tensor') return isList ? ['Tensor[]', 'takeTensors()'] : ['Tensor', 'takeTensor()'];
    if (kind === 'bool' && !isList) return ['boolean', 'takeBoolean()'];
    if (['int', 'float', 'Scalar'].includes(kind) && !isList) return ['number', 'takeNumber()'];
    throw new Error(`${op.schema}: result ${kind} has no TypeScript type`);
  });
  if (parts.length === 1) return { type: parts[0][0], body: (call) => `${call}; return ${parts[0][1]};` };
  return {
    type: `[${parts.map(([type]) => type).join(', ')}]`,
    body: (call) => `${call}; return [${parts.map(([, take]) => take).join(', ')}];`,
  };
}

const isInPlace = (op) => op.returns.length === 1 && op.returns[0].writtenArgument === 0;
const isTensorFirst = (op) => op.arguments[0]?.kind === 'Tensor' && !op.arguments[0].isList;
const docOf = (op) => `/** \`${op.schema}\` */`;

function renderMethod(op) {
  const parameters = parametersOf(op, true);
  const { type, body } = returnForm(op);
  const { implementation, prelude } = parameterList(parameters);
  return `
  ${docOf(op)}
  ${camel(op.name)}(${implementation}): ${type} {
    ${prelude}
    ${body(`invoke(${encodedOperands(op, parameters, 'this.handle')})`)}
  }`;
}

/** Whether arguments fit an overload's positional parameters, as a condition on a0, a1, ...; no condition where all overloads agree. */
function fitCondition(op, overloads, hasReceiver) {
  const own = parametersOf(op, hasReceiver).positional;
  const widest = Math.max(...overloads.map((other) => parametersOf(other, hasReceiver).positional.length));
  const conditions = [];
  for (let i = 0; i < widest; i++) {
    const forms = new Set(overloads.map((other) => describePosition(parametersOf(other, hasReceiver).positional[i])));
    // Where an overload has no more parameters, its options may lie.
    const mayBeOptions = i === own.length && hasOptions(op, hasReceiver);
    if (forms.size > 1) conditions.push(mayBeOptions ? `encode.isOptions(a${i})` : positionTest(own[i], `a${i}`));
  }
  return conditions.join(' && ');
}

const describePosition = (parameter) =>
  parameter === undefined ? 'nothing' : `${parameter.type} ${parameter.mayBeLeftOut}`;

function positionTest(parameter, value) {
  if (parameter === undefined) return `${value} === undefined`;
  const tests = parameter.type.split(' | ').map((type) => {
    if (type === 'Tensor') return `isTensor(${value})`;
    if (type.startsWith('readonly')) return `Array.isArray(${value})`;
    return type === 'Scalar' ? `isScalar(${value})` : `typeof ${value} === '${type}'`;
  });
  if (parameter.mayBeLeftOut) tests.unshift(`${value} === undefined`);
  return tests.length === 1 ? tests[0] : `(${tests.join(' || ')})`;
}

/** An overload of a merged method as a function of its own. */
function renderOverloadFunction(op, hasReceiver) {
  const parameters = parametersOf(op, hasReceiver);
  const { type, body } = returnForm(op);
  const receiver = hasReceiver ? `self: TensorMethods` : '';
  const { implementation, prelude } = parameterList(parameters);
  const text = body(`invoke(${encodedOperands(op, parameters, hasReceiver ? 'self.handle' : undefined)})`);
  return `
  function ${overloadFunctionName(op)}(${[receiver, implementation].filter(Boolean).join(', ')}): ${type === 'this' ? 'void' : type} {
    ${prelude}
    ${type === 'this' ? text.replace('return refreshed(this);', 'refreshed(self);') : text}
  }`;
}

const overloadFunctionName = (op) =>
  `${camel(op.name)}${op.name.endsWith('_') ? 'In' : ''}With${camel(`_x_${op.overload || 'default'}`).slice(1)}`;

function renderMerged(overloads, hasReceiver, head) {
  const name = camel(overloads[0].name);
  const positions = Math.max(
    ...overloads.map((op) => parametersOf(op, hasReceiver).positional.length + Number(hasOptions(op, hasReceiver))),
  );
  const signatures = overloads.map((op) => {
    const { type } = returnForm(op);
    return `${docOf(op)}\n${head}${name}(${parameterList(parametersOf(op, hasReceiver)).signature}): ${type};`;
  });
  const parameters = Array.from({ length: positions }, (_, i) => `a${i}?: unknown`).join(', ');
  const types = [...new Set(overloads.map((op) => returnForm(op).type))].join(' | ');
  const calls = overloads.map((op, index) => {
    const { positional } = parametersOf(op, hasReceiver);
    const names = [
      ...positional.map((_, i) => `a${i}`),
      ...(hasOptions(op, hasReceiver) ? [`a${positional.length}`] : []),
    ];
    const cast = names.map((value) => `${value} as never`);
    const call = `${overloadFunctionName(op)}(${[...(hasReceiver ? ['this'] : []), ...cast].join(', ')})`;
    const statement = returnForm(op).type === 'this' ? `{ ${call}; return this; }` : `return ${call};`;
    return index === overloads.length - 1
      ? statement.replace(/^\{ | \}$/g, '')
      : `if (${fitCondition(op, overloads, hasReceiver)}) ${statement}`;
  });
  return `\n${signatures.join('\n')}\n${head}${name}(${parameters}): ${types} {\n${calls.join('\n')}\n}`;
}

const hasOptions = (op, hasReceiver) => parametersOf(op, hasReceiver).options.some((option) => !option.isHidden);

function renderFunction(op) {
  const parameters = parametersOf(op, false);
  const { type, body } = returnForm(op);
  const { implementation, prelude } = parameterList(parameters);
  return `
${docOf(op)}
export function ${camel(op.name)}(${implementation}): ${type} {
  ${prelude}
  ${body(`invoke(${encodedOperands(op, parameters, undefined)})`)}
}`;
}

/** Free functions exist where there is no `self`: factories, lists, and PyTorch's functional layers (first argument `input`); and for `*_like`. */
const isFunction = (op) =>
  op.arguments[0]?.name !== 'self' || !isTensorFirst(op) || op.name.endsWith('_like') || op.name === 'where';
export const isMethod = (op) => isTensorFirst(op) && op.name !== 'where';

/**
 * The text of ops.gen.ts.
 * @param {{ title: string, ops: { name: string, overload: string, schema: string, arguments: object[], returns: object[] }[] }[]} groups
 */
export function renderOps(groups) {
  const all = groups.flatMap(({ ops }) => ops);
  const constants = all.map(
    (op) => `const ${constantName(op)} = new Operator('aten::${op.name}'${op.overload && `, '${op.overload}'`});`,
  );
  const overloadFunctions = [];
  const methods = groups.map(({ title, ops }) => {
    const rendered = byName(ops.filter(isMethod)).map((overloads) => {
      if (overloads.length === 1) return renderMethod(overloads[0]);
      overloadFunctions.push(...overloads.map((op) => renderOverloadFunction(op, true)));
      return renderMerged(overloads, true, '');
    });
    return rendered.length === 0 ? '' : `\n// --- ${title}\n${rendered.join('\n')}`;
  });
  const functions = groups.map(({ title, ops }) => {
    const rendered = byName(ops.filter(isFunction)).map((overloads) => {
      if (overloads.length === 1) return renderFunction(overloads[0]);
      const isAlsoMethod = isMethod(overloads[0]);
      if (!isAlsoMethod) overloadFunctions.push(...overloads.map((op) => renderOverloadFunction(op, false)));
      return isAlsoMethod ? renderForwarding(overloads) : renderMerged(overloads, false, 'export function ');
    });
    return rendered.length === 0 ? '' : `\n// --- ${title}\n${rendered.join('\n')}`;
  });
  const body = `
${constants.join('\n')}

/** The operators that have a tensor as their first argument. Tensor is the only subclass. */
export abstract class TensorMethods {
  /** @internal */
  abstract readonly handle: number;
  abstract readonly shape: readonly number[];
${methods.join('\n')}
}
${functions.join('\n')}
${overloadFunctions.join('\n')}
`;
  return `// Generated by gen/generateOps.mjs from gen/ops.json and the schemas of libtorch; do not edit.
// The typed operators: positional arguments as in the schema, keyword-only ones in a last options object; a number may stand for a
// tensor operand. The comment of each is its schema, which PyTorch's documentation explains under the same name.

${IMPORTS.map(([file, names, isType]) => importOf(file, names, isType, body)).join('\n')}
import * as encode from './operands.js';
${body}`;
}

/** What generated code may import: file, names, whether they are types. */
const IMPORTS = [
  ['./adopt.js', ['isTensor'], false],
  [
    './dispatch.js',
    ['Operator', 'invoke', 'refreshed', 'takeBoolean', 'takeNumber', 'takeTensor', 'takeTensors', 'tensorOf'],
    false,
  ],
  ['./dtype.js', ['DType', 'Device', 'MemoryFormat'], true],
  ['./dtype.js', ['deviceNumber', 'dtypeNumber', 'memoryFormatNumber'], false],
  ['./generator.js', ['Generator'], true],
  ['./operands.js', ['GridPadding', 'Interpolation', 'Reduction'], true],
  ['./tensor.js', ['Tensor'], true],
  ['./values.js', ['Scalar'], true],
  ['./values.js', ['isScalar'], false],
];

function importOf(file, names, isType, body) {
  const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  return used.length === 0 ? '' : `import ${isType ? 'type ' : ''}{ ${used.join(', ')} } from '${file}';`;
}

/** A free function with the overloads of a method. */
function renderForwarding(overloads) {
  const name = camel(overloads[0].name);
  const first = camel(overloads[0].arguments[0].name);
  const signatures = overloads.map((op) => {
    const { signature } = parameterList(parametersOf(op, true));
    return `${docOf(op)}\nexport function ${name}(${[`${first}: Tensor`, signature].filter(Boolean).join(', ')}): ${returnForm(op).type};`;
  });
  const types = [...new Set(overloads.map((op) => returnForm(op).type))].join(' | ');
  return `\n${signatures.join('\n')}\nexport function ${name}(${first}: Tensor, ...rest: unknown[]): ${types} {
  return ${first}.${name}(...(rest as Parameters<Tensor['${name}']>));\n}`;
}

function byName(ops) {
  const names = new Map();
  for (const op of ops) names.set(op.name, [...(names.get(op.name) ?? []), op]);
  return [...names.values()];
}
