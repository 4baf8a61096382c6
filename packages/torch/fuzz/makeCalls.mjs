// Usage: node packages/torch/fuzz/makeCalls.mjs --seed N --from N --to N [--raw] [--only NAME] [--log FILE]
// One process of a sweep (sweep.mjs): makes the calls numbered from `from` to below `to`. Each must end in a result or in one of the
// package's errors (or RangeError, for numbers that are not exact), and leave as many tensors as there were; anything else ends this
// process with exit code 1, or by a signal. The log has a line for each call, with tabs between: number, operator and arguments, written
// before the call, and then `result`, `gradient` (a result that one was computed of) or the class of the error.

import { openSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as torch from '../dist/index.js';
import { drawCall, rawOperators, typedOperators } from './operators.mjs';
import { Random } from './random.mjs';

const budgetBytes = 512 * 2 ** 20;
// In one call of twenty the next few bytes are the last ones.
const starvedBytes = [0, 64, 1024, 16384];

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    from: { type: 'string', default: '0' },
    to: { type: 'string', default: '1000' },
    raw: { type: 'boolean', default: false },
    only: { type: 'string' },
    log: { type: 'string', default: '/dev/null' },
  },
});
const log = openSync(options.log, 'w');
torch.setNumThreads(1);
torch.memory.setBudget(budgetBytes);
const operators = (options.raw ? rawOperators() : typedOperators()).filter(
  ({ entry }) => options.only === undefined || entry === options.only,
);
const problems = [];
for (let number = Number(options.from); number < Number(options.to) && problems.length === 0; number++) {
  const before = torch.memory.stats().liveTensors;
  torch.scope(() => makeCall(number));
  const left = torch.memory.stats().liveTensors - before;
  if (left !== 0) problems.push(`${left} tensors were left`);
  if (problems.length > 0) problems.push(`by call ${number} of ${operators[number % operators.length].entry}`);
}
if (problems.length > 0) {
  process.stderr.write(`${problems.join(' ')}\n`);
  process.exitCode = 1;
}

/** The operators take turns; a call has its own stream of random numbers, so that it can be made alone. */
function makeCall(number) {
  const op = operators[number % operators.length];
  const random = new Random(Number(options.seed) * 1_000_003 + number);
  const { text, run, hasDisposed } = drawCall(op, random);
  writeSync(log, `${number}\t${op.entry}\t${text}`);
  if (random.chance(0.05)) torch.memory.setBudget(torch.memory.stats().liveBytes + random.pick(starvedBytes));
  let outcome = 'result';
  try {
    const result = run();
    if (hasDisposed && typeof result !== 'string') problems.push('a disposed tensor gave a result');
    if (examine(result)) outcome = 'gradient';
  } catch (error) {
    const allowed = [torch.TorchError, RangeError, ...(op.mayThrow ?? [])];
    if (!allowed.some((errorClass) => error instanceof errorClass)) problems.push(String(error?.stack ?? error));
    outcome = String(error?.name);
  } finally {
    torch.memory.setBudget(budgetBytes);
  }
  writeSync(log, `\t${outcome}\n`);
}

/** Reads every element of a result and, where it has one, computes its gradient. Returns whether it did the latter. */
function examine(result) {
  let hasGradient = false;
  for (const tensor of [result].flat().filter((entry) => entry instanceof torch.Tensor)) {
    if (tensor.numel > 1e6) continue;
    tensor.toBytes();
    if (!tensor.requiresGrad) continue;
    tensor.abs().sum().backward(undefined, { retainGraph: true }); // the next result may share the graph
    hasGradient = true;
  }
  return hasGradient;
}
