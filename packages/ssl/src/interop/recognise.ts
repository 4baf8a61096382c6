/** Which network of a file is meant, and how it is named. */
import { FORMAT_NAMES, type FormatName } from './formatNames.js';
import { FORMATS, type WeightFormat } from './formats.js';
import type { Fail } from './pth/fail.js';
import type { Shapes } from './weightFile.js';

/** What a caller may say of a file; what is left open, names and shapes tell. */
export interface WeightChoice {
  readonly format?: FormatName;
  /** What stands before the network's names, or the beginning of it, such as `student` or `teacher.backbone`; '' for nothing. */
  readonly key?: string;
}

export interface Recognised {
  readonly format: WeightFormat;
  /** Stands before every name of the network: '' or such as `teacher.backbone.`. */
  readonly prefix: string;
}

/**
 * The one network among these tensors: below `key`, else the teacher where there are several, since it is the teacher that is evaluated.
 * @param fail throws; told that there is none, or more than one
 */
export function recognise(shapes: Shapes, { format: wanted, key }: WeightChoice, fail: Fail): Recognised {
  const names = [...shapes.keys()];
  const formats = FORMATS.filter(({ name }) => wanted === undefined || name === wanted);
  const prefixes = [...new Set(formats.flatMap(({ anchor }) => prefixesOf(names, anchor)))];
  const below = prefixes.filter(
    (prefix) => key === undefined || (key === '' ? prefix === '' : prefix.startsWith(`${key}.`)),
  );
  const teachers = below.filter((prefix) => /(^|\.)teacher\./.test(prefix));
  const [prefix, ...others] = teachers.length > 0 ? teachers : below;
  if (prefix === undefined) {
    const anchors = [...new Set(formats.map(({ anchor }) => anchor))].join(' or ');
    const where = key === undefined ? '' : ` below ${shown([key])}`;
    return fail(`weights must have ${anchors}${where}, got ${shown(names)}; is it another kind of network?`);
  }
  if (others.length > 0) {
    const keys = [prefix, ...others].map((one) => one.slice(0, -1));
    const example = keys.find((one) => one !== '') ?? '';
    return fail(
      `weights must be of one network, got those below ${shown(keys)}; say which, ` +
        `such as --key ${example} to halfway import or --set init.key=${example} to halfway pretrain`,
    );
  }
  const own = new Map(
    [...shapes].flatMap(([name, shape]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), shape]] : [])),
  );
  const format = formats.find(({ anchor, isOf }) => own.has(anchor) && (wanted !== undefined || isOf(own)));
  return format === undefined
    ? fail(`weights must be named in a known format (${FORMAT_NAMES.join(', ')}), got ${shown([...own.keys()])}`)
    : { format, prefix };
}

function prefixesOf(names: readonly string[], anchor: string): string[] {
  return names.flatMap((name) =>
    name === anchor || name.endsWith(`.${anchor}`) ? [name.slice(0, -anchor.length)] : [],
  );
}

function shown(names: readonly string[]): string {
  const listed = names.slice(0, 5).map((name) => name || "''");
  return names.length > listed.length
    ? `${listed.join(', ')} and ${names.length - listed.length} more`
    : listed.join(', ');
}
