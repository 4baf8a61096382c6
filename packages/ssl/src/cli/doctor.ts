import { Command } from 'commander';
import { BadResult } from './failure.js';
import { printResult } from './output.js';

/** `halfway doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what works on this machine, and what to type where something does not')
    .option('--json', 'print the report as one JSON object, for bug reports')
    .addHelpText('after', '\nExamples:\n  halfway doctor\n  halfway doctor --json > report.json')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { doctor, doctorText } = await import('@halfway/torch/setup');
      const report = await doctor();
      printResult(report, doctorText(report), json === true);
      if (!report.ok) throw new BadResult('the engine does not work yet');
    });
}
