// Usage: node packages/torch/fuzz/hostileCalls.mjs --seed N --calls N [--raw] [--log FILE] [--only NAME] [--from N]
// Calls random typed operators (with --raw: every operator of libtorch by its full name, but those in unsafe-ops.json) with hostile arguments, under a memory budget. Each call must end in a result or in one of the package's
// errors (or RangeError, for numbers that are not exact); anything else ends this process with exit code 1, or by a signal. Before each
// call its text is written to the log, whose last line so names the call that crashed; --from runs again from that number on.
// Prints one JSON object: { calls, results, gradients, errors: { <class>: count } }.

import { mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as torch from '../dist/index.js';
import { engine } from '../dist/native.js';
import { camel, isMethod, parametersOf } from '../gen/renderOps.mjs';
import { HostileValues, seededRandom } from './hostileValues.mjs';

const budgetBytes = 512 * 2 ** 20;
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};

function readTypedOperators() {
  const allowList = JSON.parse(readFileSync(new URL('../gen/ops.json', import.meta.url), 'utf8'));
  return Object.values(allowList)
    .flat()
    .map((entry) => {
      const [name, overload = ''] = entry.split('.');
      return { entry, name, overload, ...engine().describeOperator(engine().resolve(`aten::${name}`, overload)) };
    });
}

function readRawOperators() {
  const unsafe = new Set(
    JSON.parse(readFileSync(new URL('../unsafe-ops.json', import.meta.url), 'utf8')).map(({ op }) => op),
  );
  return torch
    .operatorNames()
    .filter((entry) => !unsafe.has(entry))
    .map((entry) => {
      const [name, overload = ''] = entry.split('.');
      return { entry, name, isRaw: true, ...engine().describeOperator(engine().resolve(name, overload)) };
    });
}

function drawRawCall(op, values) {
  const operands = op.arguments.map((argument) => values.value(argument));
  return { text: `(${operands.map(describe).join(', ')})`, run: () => torch.ops(op.entry)(...operands) };
}

/** One call as a function, and its text. */
function drawCall(op, values) {
  if (op.isRaw) return drawRawCall(op, values);
  const isOnTensor = isMethod(op);
  const { positional, options } = parametersOf(op, isOnTensor);
  const operands = positional.map(({ source }) => values.value(source));
  const shown = options.filter(({ isHidden }) => !isHidden);
  if (shown.length > 0 && values.chance(0.8)) {
    operands.push(Object.fromEntries(shown.map(({ name, source }) => [name, values.value(source)])));
  }
  const name = camel(op.name);
  const self = isOnTensor ? values.tensor() : undefined;
  const text = `${isOnTensor ? describe(self) : 'torch'}.${name}(${operands.map(describe).join(', ')})`;
  return { text, run: () => (isOnTensor ? self[name](...operands) : torch[name](...operands)) };
}

function describe(value) {
  if (value instanceof torch.Tensor) {
    return value.isDisposed
      ? 'disposed'
      : `${value.dtype}[${value.shape}]${value.requiresGrad ? 'g' : ''}${value.isContiguous ? '' : `/${value.strides}`}`;
  }
  if (Array.isArray(value))
    return `[${value.slice(0, 8).map(describe).join(', ')}${value.length > 8 ? `, ... ${value.length}` : ''}]`;
  if (value instanceof torch.Generator) return 'generator';
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return `{${Object.entries(value).map(([key, entry]) => `${key}: ${describe(entry)}`)}}`;
  }
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 20)) : String(value);
}

function tensorsOf(result) {
  return [result].flat().filter((entry) => entry instanceof torch.Tensor);
}

/** Reads every element of a result and, where it has one, computes its gradient. Returns whether it did the latter. */
function examine(result) {
  let hasGradient = false;
  for (const tensor of tensorsOf(result)) {
    if (tensor.numel > 1e6) continue;
    tensor.toBytes();
    if (!tensor.requiresGrad) continue;
    tensor.abs().sum().backward();
    hasGradient = true;
  }
  return hasGradient;
}

const seed = Number(option('seed', 0));
const calls = Number(option('calls', 1000));
const from = Number(option('from', 0));
const log = openSync(option('log', '/dev/null'), 'w');
process.chdir(mkdtempSync(join(tmpdir(), 'halfway-fuzz-'))); // raw operators such as from_file write where they are
torch.setNumThreads(1);
torch.memory.setBudget(budgetBytes);
const only = option('only');
const known = process.argv.includes('--raw') ? readRawOperators() : readTypedOperators();
const operators =
  only === undefined ? known : known.filter(({ entry, name }) => entry === only || camel(name) === only);
const tally = { calls: 0, results: 0, gradients: 0, errors: {} };
let failure;

for (let number = from; number < calls && failure === undefined; number++) {
  torch.scope(() => {
    // Each call has its own stream of random numbers, so that one of them can be run alone.
    const values = new HostileValues(seededRandom(seed * 1_000_003 + number));
    const op = values.pick(operators);
    const { text, run } = drawCall(op, values);
    writeSync(log, `${number} ${op.entry}: ${text}\n`);
    tally.calls += 1;
    try {
      const result = run();
      tally.results += 1;
      if (examine(result)) tally.gradients += 1;
    } catch (error) {
      const isOurs = error instanceof torch.TorchError || error instanceof RangeError;
      if (!isOurs) failure = `${number} ${op.entry}: ${text}\n${String(error?.stack ?? error)}\n`;
      tally.errors[error?.name] = (tally.errors[error?.name] ?? 0) + 1;
    }
  });
}

rmSync(process.cwd(), { recursive: true, force: true });
process.stdout.write(`${JSON.stringify(tally)}\n`);
if (failure !== undefined) {
  process.stderr.write(failure);
  process.exitCode = 1;
}
