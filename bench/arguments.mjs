// The command line of `npm run bench`: names, defaults and errors.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

/** What can be measured, and in one line how. One file a suite. */
export const SUITES = {
  step: "one training step against PyTorch's, and what the task adds to it",
  ops: 'the views of a batch against torchvision and kornia',
  loader: 'decoding and cropping, and a whole training loop, against torchvision and DataLoader',
  memory: "peak memory of the step against PyTorch's",
  objectives:
    "a step of iBOT, DINOv2 and SimCLR against PyTorch's, its memory, the task, and a loop against lightly-train's",
  start: '`halfway pretrain` until its first step is done',
  overhead: "a small operator against Python's",
};

export const USAGE = `Usage: npm run bench -- SUITE... [options]

Suites:
${Object.entries(SUITES)
  .map(([name, text]) => `  ${name.padEnd(12)}${text}`)
  .join('\n')}

Options:
  --json               one line {"rows": [...]} as the last line of standard output
  --only TEXT          the rows that have TEXT in their name or dtype
  --threads N          engine threads of both sides (default: the cores)
  --device NAME        cpu (default) or cuda, of \`step\` alone: larger batches, as a GPU gets them
  --photos FOLDER      photos to decode (default: the shipped photos of clothes)
  --compile-limit S    seconds that torch.compile may take for one model, 0: not tried (default: 300)
  --quick              a few turns each, to see that everything works

Results are written to bench/results, unless --quick or --only leave something out.`;

/** A wrong command line; the message ends with what to type. */
export class UsageError extends Error {}

/**
 * The options of a command line, complete.
 * @throws UsageError
 */
export function parseArguments(args) {
  const { values, positionals } = parse(args);
  if (values.help) return { isHelp: true };
  const unknown = positionals.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined || positionals.length === 0) {
    const names = Object.keys(SUITES);
    throw new UsageError(
      `bench: a suite must be one of ${names.join(', ')}, got ${unknown ?? 'none'}; type: npm run bench -- ${names[0]}`,
    );
  }
  return {
    suites: [...new Set(positionals)],
    device: deviceOf(values.device, positionals),
    isJson: values.json,
    isQuick: values.quick,
    only: values.only,
    threads: wholeNumber('--threads', values.threads, 1),
    photos: values.photos,
    compileLimitMs: 1000 * wholeNumber('--compile-limit', values['compile-limit'], 0),
  };
}

function parse(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        only: { type: 'string', default: '' },
        threads: { type: 'string', default: String(availableParallelism()) },
        device: { type: 'string', default: 'cpu' },
        photos: { type: 'string' },
        'compile-limit': { type: 'string', default: '300' },
      },
    });
  } catch (error) {
    throw new UsageError(`bench: ${error.message.split('. ')[0]}; type: npm run bench -- --help`);
  }
}

function deviceOf(name, suites) {
  if (name === 'cpu' || (name === 'cuda' && suites.every((suite) => suite === 'step'))) return name;
  throw new UsageError(
    `bench: --device must be cpu, or cuda for step alone, got ${name} for ${suites.join(' ')}; type: npm run bench -- step --device cuda`,
  );
}

function wholeNumber(name, text, least) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new UsageError(
    `bench: ${name} must be a whole number of at least ${least}, got ${text}; for example ${name} ${least}`,
  );
}
