/** What was read of a file of weights and what became of it, for people. */
import type { EncoderDiff, Standing } from './fitWeights.js';
import type { WeightsReport } from './loadWeights.js';

const STANDINGS: readonly Standing[] = ['matched', 'adapted', 'missing', 'unexpected', 'unfit'];
const NAMES_SHOWN = 3;

/** A line for each standing and note: its tensors, the first ones by name. */
export function describeFit(diff: EncoderDiff): string {
  return STANDINGS.flatMap((standing) => clausesOf(diff, standing).map((text) => line(standing, text))).join('\n');
}

/** In one line, what cannot be the encoder's. */
export function describeUnfit(diff: EncoderDiff): string {
  return clausesOf(diff, 'unfit').join('; ');
}

/** A clause for each note. */
function clausesOf(diff: EncoderDiff, standing: Standing): string[] {
  const entries = diff.filter((entry) => entry.standing === standing);
  return [...new Set(entries.map(({ note }) => note))].map((said) => {
    const names = entries.flatMap(({ name, note }) => (note === said ? [name] : []));
    return said === '' ? `${names.length} tensors` : `${listed(names)}: ${said}`;
  });
}

/** Where the weights came from, and what of the file they are not. */
export function describeSource({ path, format, prefix, leftOut, skipped }: WeightsReport): string {
  const below = prefix === '' ? '' : `, below ${prefix.slice(0, -1)}`;
  return [
    `${path}: ${format}${below}`,
    ...(leftOut.length > 0 ? [line('left out', listed(leftOut))] : []),
    ...(skipped.length > 0 ? [line('skipped', listed(skipped))] : []),
  ].join('\n');
}

function line(title: string, text: string): string {
  return `  ${title.padEnd(10)}  ${text}`;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
