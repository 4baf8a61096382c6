/**
 * The command `halfway`: a thin layer over the library. Exit codes: 0 done, 1 failed, 2 wrong usage.
 * Results go to standard output, everything for people to standard error. A command loads its part of the program when it
 * runs, so that help is quick and `doctor` works where other parts cannot.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { nearestName } from '../config/nearestName.js';
import { dataCommand } from './data.js';
import { doctorCommand } from './doctor.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { BadResult, exitCodeOf, failureLine } from './failure.js';
import { importCommand } from './import.js';
import { printError } from './output.js';
import { pretrainCommand } from './pretrain.js';
import { quickstartCommand } from './quickstart.js';
import { setupCommand } from './setup.js';
import { studyCommand } from './study.js';

/** Runs the program with these arguments and resolves to its exit code; never throws. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usageExitCode(error);
    if (error instanceof BadResult) return 1;
    printError(failureLine(error), args.includes('--json'));
    return exitCodeOf(error);
  }
}

/** The whole command line, for `main` and for the test that fixes its options. */
export function createProgram(): Command {
  const program = new Command('halfway')
    .description('Self-supervised vision pretraining that keeps what other methods throw away.')
    .version(packageVersion(), '--version', 'print the version')
    .addHelpText('after', '\nExamples:\n  halfway setup\n  halfway quickstart\n  halfway pretrain --help');
  const commands = [
    setupCommand(),
    doctorCommand(),
    pretrainCommand(),
    evalCommand(),
    exportCommand(),
    importCommand(),
    dataCommand(),
    quickstartCommand(),
    studyCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return strict(program);
}

/** Errors as we word them, and never the end of the process. Commander does not pass this on to commands that are added. */
function strict(command: Command): Command {
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'halfway: ')) });
  if (command.commands.length > 0) command.allowExcessArguments().action(() => explainCommand(command));
  command.commands.forEach(strict);
  return command;
}

/** A group of commands was given no command, or an unknown one. */
function explainCommand(group: Command): void {
  const [name] = group.args;
  if (name === undefined) group.help({ error: true });
  const known = group.commands.map((command) => command.name());
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? `there are ${known.join(', ')}` : `did you mean ${nearest}?`;
  group.error(`halfway: there is no command ${name}; ${hint}`);
}

function packageVersion(): string {
  const about: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof about === 'object' && about !== null && 'version' in about ? String(about.version) : 'unknown';
}

function usageExitCode({ code, exitCode }: CommanderError): number {
  if (code === 'commander.helpDisplayed' || code === 'commander.version') return 0;
  return code === 'commander.help' && exitCode === 0 ? 0 : 2;
}
