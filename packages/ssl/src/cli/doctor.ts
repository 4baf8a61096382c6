import { Command } from 'commander';
import { doctor, doctorText } from '@halfway/torch/setup';
import { printResult } from './output.js';

/** `halfway doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what works on this machine, and what to type where something does not')
    .option('--json', 'print the report as one JSON object, for bug reports')
    .addHelpText('after', '\nExamples:\n  halfway doctor\n  halfway doctor --json > report.json')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const report = await doctor();
      printResult(report, doctorText(report), json === true);
    });
}
