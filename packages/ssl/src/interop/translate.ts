/** Tensors under a format's names to tensors under ours, and back. No value changes: rows are joined or cut. */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { zip } from '../pairs.js';
import type { WeightFormat } from './formats.js';

type Tensors = ReadonlyMap<string, Tensor>;

/** Tensors under our names; what has no counterpart keeps its own name. */
export function toOurs(format: WeightFormat, tensors: Tensors): Map<string, Tensor> {
  const rows = [...tensors].map(([theirs, tensor]) => {
    const { template, block, ending } = parse(withoutChunk(theirs));
    const order = format.names.findIndex(([known]) => known === template);
    const ours = format.names[order]?.[1] ?? template;
    return { ours: ours.replace('#', block) + ending, order, tensor };
  });
  const joined = new Map<string, Tensor>();
  for (const { ours, tensor } of rows.sort((a, b) => a.order - b.order)) {
    const before = joined.get(ours);
    joined.set(ours, before === undefined ? tensor : torch.cat([before, tensor]));
  }
  return format.read?.(joined) ?? joined;
}

/** Tensors of one of our encoders under a format's names. */
export function toTheirs(format: WeightFormat, tensors: Tensors): Map<string, Tensor> {
  const complete = format.write?.(tensors) ?? tensors;
  return new Map(
    [...complete].flatMap(([ours, tensor]) => {
      const { template, block, ending } = parse(ours);
      const names = format.names.flatMap(([theirs, known]) => (known === template ? [theirs] : []));
      if (names.length === 0) return [[ours, tensor] as const];
      return zip(names, tensor.chunk(names.length)).map(
        ([theirs, part]) => [theirs.replace('#', block) + ending, part] as const,
      );
    }),
  );
}

interface ParsedName {
  readonly template: string; // `blocks.#.attn.qkv`
  readonly block: string; // the number in place of #
  readonly ending: string; // `.weight`, `.bias` or ''
}

function parse(name: string): ParsedName {
  const [, stem = name, ending = ''] = /^(.*?)(\.weight|\.bias)?$/.exec(name) ?? [];
  const block = /\.(\d+)\./.exec(stem)?.[1] ?? '';
  return { template: stem.replace(`.${block}.`, '.#.'), block, ending };
}

/** DINOv2's training names block i `blocks.<chunk>.<i>`. */
function withoutChunk(name: string): string {
  return name.replace(/^blocks\.\d+\.(\d+)\./, 'blocks.$1.');
}
