/**
 * The command `halfway`: a thin layer over the library. Exit codes: 0 done, 1 failed, 2 wrong usage.
 * Results go to standard output, everything for people to standard error.
 */
import { Command, CommanderError } from 'commander';
import { nearestName } from '../config/nearestName.js';
import { dataCommand } from './data.js';
import { doctorCommand } from './doctor.js';
import { evalCommand } from './eval.js';
import { describeError, exitCodeOf } from './failure.js';
import { pretrainCommand } from './pretrain.js';
import { quickstartCommand } from './quickstart.js';
import { setupCommand } from './setup.js';

/** Runs the program with these arguments and resolves to its exit code; never throws and never ends the process. */
export async function main(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usageExitCode(error);
    process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

/** The whole command line, for `main` and for the test that fixes its options. */
export function createProgram(): Command {
  const program = new Command('halfway')
    .description('Self-supervised vision pretraining that keeps what other methods throw away.')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'halfway: ')) });
  const commands = [
    setupCommand(),
    doctorCommand(),
    pretrainCommand(),
    evalCommand(),
    dataCommand(),
    quickstartCommand(),
  ];
  for (const command of commands) program.addCommand(inherited(command));
  program.on('command:*', ([name = '']: string[]) => {
    const nearest = nearestName(
      name,
      commands.map((command) => command.name()),
    );
    program.error(`halfway: there is no command ${name}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`);
  });
  return program;
}

/** Commander passes these on to commands made by `.command`, not to those that are added. */
function inherited(command: Command): Command {
  command
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'halfway: ')) });
  command.commands.forEach(inherited);
  return command;
}

function usageExitCode({ code }: CommanderError): number {
  return code === 'commander.helpDisplayed' || code === 'commander.help' || code === 'commander.version' ? 0 : 2;
}
