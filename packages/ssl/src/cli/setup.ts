import { Command } from 'commander';
import { printResult } from './output.js';

interface SetupFlags {
  readonly from?: string[];
  readonly cuda?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `halfway setup` */
export function setupCommand(): Command {
  return new Command('setup')
    .description('find or fetch libtorch, and build the addon for it')
    .option('--from <wheels...>', 'PyTorch wheels on disk, or folders of them, instead of a download')
    .option('--cuda', 'fetch the parts for NVIDIA GPUs too (about 3 GB)')
    .option('--force', 'fetch and build again what is there already')
    .option('--json', 'print what was found as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  halfway setup\n  halfway setup --from torch-2.15.0-cp311-cp311-manylinux_2_28_x86_64.whl\n  HALFWAY_LIBTORCH=/opt/venv/lib/python3.11/site-packages/torch halfway setup',
    )
    .action(async ({ from, cuda, force, json }: SetupFlags) => {
      const { setup, streamLog } = await import('@halfway/torch/setup');
      const result = await setup({
        ...(from === undefined ? {} : { from }),
        ...(cuda === undefined ? {} : { cuda }),
        ...(force === undefined ? {} : { force }),
        log: streamLog(process.stderr),
      });
      printResult(result, 'ready', json === true);
    });
}
