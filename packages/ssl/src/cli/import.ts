import { Command, Option } from 'commander';
import { FORMAT_NAMES, type FormatName } from '../interop/formatNames.js';
import { wholeNumber } from './flags.js';
import { printResult } from './output.js';

interface ImportFlags {
  readonly format?: FormatName;
  readonly key?: string;
  readonly heads?: number;
  readonly out?: string;
  readonly json?: boolean;
}

/** `halfway import` */
export function importCommand(): Command {
  return new Command('import')
    .description('read a published vision transformer or ResNet-18 (.pth, .safetensors), and write it in our own form')
    .argument('<file>', 'weights of DINO, iBOT, DINOv2, MAE, timm, Hugging Face or torchvision')
    .addOption(
      new Option('--format <name>', 'how its tensors are named (default: as the names tell)').choices(FORMAT_NAMES),
    )
    .option(
      '--key <name>',
      "what stands before the network's names, such as student (default: the teacher, if there are several)",
    )
    .option(
      '--heads <n>',
      'attention heads (default: as a config.json beside the file says, else those of the published models of this width)',
      wholeNumber(1),
    )
    .option('--out <folder>', 'where to write it; without, it is only said what the file holds')
    .option('--json', 'print what was read as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  halfway import dinov2_vits14_pretrain.pth
  halfway import checkpoint.pth --key student --out weights/ibot
  halfway eval --weights weights/ibot/backbone.safetensors --tasks knn --data photos
  halfway export --weights weights/ibot/backbone.safetensors --format hf --out weights/ibot-hf

Nothing in a file is run. To train on from one, name it to halfway pretrain --init.`,
    )
    .action(run);
}

async function run(file: string, { format, key, heads, out, json }: ImportFlags): Promise<void> {
  const { importEncoder } = await import('../interop/importEncoder.js');
  const { exportEncoder } = await import('../interop/exportEncoder.js');
  const { describeFit, describeHeads, describeSource } = await import('../interop/describeFit.js');
  const imported = await importEncoder(file, {
    ...(format === undefined ? {} : { format }),
    ...(key === undefined ? {} : { key }),
    ...(heads === undefined ? {} : { numHeads: heads }),
  });
  const { report, diff, config } = imported;
  const files = out === undefined ? [] : exportEncoder(imported, 'safetensors', out);
  const fromWidth = 'as published models of this name and width have';
  const from = heads === undefined ? fromWidth : 'by --heads';
  const headLines = config.model.kind === 'vit' ? [describeHeads(report, config.model.numHeads, from)] : [];
  const text = [describeSource(report), describeFit(diff), ...headLines, ...files].join('\n');
  printResult({ ...report, diff, model: config.model, files }, text, json === true);
}
