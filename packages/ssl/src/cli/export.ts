import { Command, Option } from 'commander';
import { EXPORT_FORMATS, type ExportFormat } from '../interop/formatNames.js';
import { runOrWeights } from './flags.js';
import { printResult } from './output.js';

interface ExportFlags {
  readonly weights?: string;
  readonly format: ExportFormat;
  readonly out: string;
  readonly json?: boolean;
}

/** How each format is loaded, for people. */
const LOADING: Readonly<Record<ExportFormat, (out: string) => string>> = {
  safetensors: (out) => `halfway eval --weights ${out}/backbone.safetensors`,
  timm: (out) => `timm.create_model('local-dir:${out}', pretrained=True)`,
  hf: (out) => `AutoModel.from_pretrained('${out}'), AutoImageProcessor.from_pretrained('${out}')`,
};

/** `halfway export` */
export function exportCommand(): Command {
  return new Command('export')
    .description("write a run's encoder and adapter in the form that other programs load")
    .argument('[run]', 'a run folder')
    .option('--weights <file>', 'an exported backbone.safetensors instead of a run')
    .addOption(
      new Option('--format <name>', 'safetensors: our own; timm; hf: Hugging Face transformers')
        .choices(EXPORT_FORMATS)
        .default('safetensors'),
    )
    .requiredOption('--out <folder>', 'where to write')
    .option('--json', 'print what was written as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  halfway export runs/a --format timm --out models/a
  halfway export runs/a --format hf --out models/a-hf
  halfway export --weights runs/a/export/backbone.safetensors --format hf --out models/a-hf`,
    )
    .action(run);
}

async function run(runDir: string | undefined, { weights, format, out, json }: ExportFlags): Promise<void> {
  const source = runOrWeights('export', runDir, weights);
  const { loadEncoder } = await import('../run/loadEncoder.js');
  const { exportEncoder } = await import('../interop/exportEncoder.js');
  const files = exportEncoder(loadEncoder(source), format, out);
  const text = [...files, `load it with: ${LOADING[format](out)}`].join('\n');
  printResult({ source, format, files }, text, json === true);
}
