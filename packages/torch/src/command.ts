// The command `halfway-torch`: sets up and examines the engine for those who have this package alone. (`halfway`, the command of
// @halfway/ssl, does the same.)

import { parseArgs } from 'node:util';
import { EngineNotFoundError, SetupError, doctor, doctorText, setup, streamLog } from './setup/index.js';

const usage = `Usage:
  halfway-torch setup                find or fetch libtorch, and build the addon for it
    --from WHEEL                     a PyTorch wheel on disk, or a folder of them, instead of a download; may be repeated
    --cuda                           fetch the parts for NVIDIA GPUs too
    --force                          fetch and build again what is there already
  halfway-torch doctor               say what works on this machine, and what to type where something does not
    --json                           the report as one JSON object, for bug reports
`;

/** Runs the command; returns the exit status: 0, 1 when the engine is not ready after it, 2 for a command line that makes no sense. */
export async function main(args: readonly string[]): Promise<number> {
  let commandLine;
  try {
    commandLine = parseCommandLine(args);
  } catch (error) {
    return fail(2, `${error instanceof Error ? error.message : String(error)}; see: halfway-torch --help`);
  }
  const { name, from, cuda, force, json, help } = commandLine;
  if (help || name === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  if (name === 'doctor') {
    const report = await doctor();
    process.stdout.write(`${json ? JSON.stringify(report) : doctorText(report)}\n`);
    return report.ok ? 0 : 1;
  }
  if (name !== 'setup') return fail(2, `${name} is no command; see: halfway-torch --help`);
  try {
    await setup({ from, cuda, force, log: streamLog(process.stderr) });
    process.stdout.write('ready\n');
    return 0;
  } catch (error) {
    // Their messages are complete; a backtrace would hide them.
    if (error instanceof SetupError || error instanceof EngineNotFoundError) return fail(1, error.message);
    throw error;
  }
}

interface CommandLine {
  readonly name: string | undefined;
  readonly from: readonly string[];
  readonly cuda: boolean;
  readonly force: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** Throws Error for an option that there is not, and for more than one command. */
function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      from: { type: 'string', multiple: true, default: [] },
      cuda: { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [name, extra] = positionals;
  if (extra !== undefined) throw new Error(`${extra} is one word too many`);
  return { name, ...values };
}

function fail(status: number, message: string): number {
  process.stderr.write(`halfway-torch: ${message}\n`);
  return status;
}
