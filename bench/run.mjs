// `npm run bench -- SUITE...`: measures halfway against its peers, both sides in turns in one run; docs/performance.md says what and how.
// The table, or with --json one line {"rows": [...]}, goes to standard output; everything else to standard error.
import { fileURLToPath } from 'node:url';
import { prepareOrExit, say } from '../scripts/start.mjs';
import { USAGE, UsageError, parseArguments } from './arguments.mjs';
import { BenchError } from './benchError.mjs';
import { peerVersions, preparePython } from './python.mjs';
import { resultsPath, writeSection } from './results.mjs';
import { Side, closeAll } from './side.mjs';
import { tableOf } from './table.mjs';

const RESULTS = fileURLToPath(new URL('results', import.meta.url));

// How long things are measured; takeTurns says what the numbers are.
const PACE = { rounds: 11, turnMs: 500, warmMs: 2000 };
const QUICK_PACE = { rounds: 3, turnMs: 50, warmMs: 500 };

/** One file a suite, loaded when it is asked for: they read what prepareOrExit builds. */
const LOAD = {
  step: () => import('./step.mjs'),
  ops: () => import('./ops.mjs'),
  loader: () => import('./loader.mjs'),
  memory: () => import('./memory.mjs'),
  objectives: () => import('./objectives.mjs'),
  start: () => import('./start.mjs'),
  overhead: () => import('./overhead.mjs'),
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1)); // which ends the sides too
process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  try {
    const options = parseArguments(args);
    if (options.isHelp) process.stdout.write(`${USAGE}\n`);
    else await measure(options);
    return 0;
  } catch (error) {
    const explainsItself = error instanceof UsageError || error instanceof BenchError || error.name === 'DataError';
    if (!explainsItself) throw error;
    say(error.message);
    if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error: error.message })}\n`);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    closeAll();
  }
}

async function measure(options) {
  await prepareOrExit();
  const context = await createContext(options);
  const made = [];
  for (const suite of options.suites) {
    const { rows } = await LOAD[suite]();
    const ofSuite = await rows(context);
    if (ofSuite.length === 0) continue;
    made.push(...ofSuite);
    if (!options.isJson) process.stdout.write(`${tableOf(ofSuite)}\n\n`);
    if (options.isQuick || options.only !== '') continue;
    const path = resultsPath(RESULTS, context.processor, new Date());
    writeSection(path, headOf(context.processor), suite, `${conditions(options)}\n\n${tableOf(ofSuite)}`);
    say(`written to ${path}`);
  }
  if (made.length === 0) {
    throw new UsageError(
      `bench: --only must be part of the name or dtype of a row, got ${options.only}; leave it out to see them all`,
    );
  }
  const numOver = made.filter(({ ratio, maxRatio }) => ratio > maxRatio).length;
  say(`${made.length - numOver} of ${made.length} rows within their bar`);
  if (options.isJson) process.stdout.write(`${JSON.stringify({ rows: made })}\n`);
}

/** What every suite is given. */
async function createContext({ threads, isQuick, only, photos, compileLimitMs, device }) {
  const { describeCpu, describeGpu } = await import('./machine.mjs');
  const { expectPhotos, photoFolder } = await import('./photos.mjs');
  let [python, opened] = [];
  return {
    ...{ threads, isQuick, compileLimitMs, device },
    processor: device === 'cuda' ? describeGpu() : describeCpu(),
    pace: isQuick ? QUICK_PACE : PACE,
    /** Says that a row is being measured; false: it was not asked for. */
    begins(name, dtype) {
      const isWanted = `${name}, ${dtype}`.includes(only);
      if (isWanted) say(`${name}, ${dtype}`);
      return isWanted;
    },
    /** { folder, files }, of at least so many photos */
    photos: (least) => expectPhotos((opened ??= photoFolder(photos)), least),
    /** Starts a side: a program of ours (.mjs) or of a peer (.py), with the options of Side. */
    side(name, url, options) {
      const file = fileURLToPath(url);
      const peers = () => options?.python ?? (python ??= preparePython(say));
      return new Side(name, [file.endsWith('.py') ? peers() : process.execPath, file], threads, options);
    },
  };
}

function headOf({ model, threads, capability }) {
  return `# ${model}, ${threads} threads, ${capability}`;
}

function conditions({ threads, photos }) {
  const data = photos === undefined ? 'shipped photos' : 'photos of the user';
  return `engine threads: ${threads}; ${data}; Node ${process.versions.node}; ${peerVersions().join(', ')}`;
}
