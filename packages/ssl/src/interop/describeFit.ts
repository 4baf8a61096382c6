/** What was read of a file of weights and what became of it, for people. */
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import { NORM_EPS } from '../models/block.js';
import type { EncoderDiff, Standing } from './fitWeights.js';
import { hasOtherPixels } from './foldPixels.js';
import type { WeightsReport } from './loadWeights.js';
import type { PixelSettings } from './toldSettings.js';

const STANDINGS: readonly Standing[] = ['matched', 'adapted', 'missing', 'unexpected', 'unfit'];
const NAMES_SHOWN = 3;

/** A line for each standing and note: its tensors, the first ones by name. */
export function describeFit(diff: EncoderDiff): string {
  return STANDINGS.flatMap((standing) => clausesOf(diff, standing).map((text) => line(standing, text))).join('\n');
}

/** In one line, what cannot be the encoder's. */
export function describeUnfit(diff: EncoderDiff): string {
  return listed(clausesOf(diff, 'unfit'), '; ');
}

/** A clause for each note. */
function clausesOf(diff: EncoderDiff, standing: Standing): string[] {
  const entries = diff.filter((entry) => entry.standing === standing);
  return [...new Set(entries.map(({ note }) => note))].map((said) => {
    const names = entries.flatMap(({ name, note }) => (note === said ? [name] : []));
    return said === '' ? `${names.length} tensors` : `${listed(names)}: ${said}`;
  });
}

/** How many heads there are, and who says so: a configuration beside the file, else `otherwise`. */
export function describeHeads({ told }: WeightsReport, numHeads: number, otherwise: string): string {
  return line('heads', `${numHeads}${told?.numHeads === undefined ? ` ${otherwise}` : `, as ${told.path} says`}`);
}

/** Where the weights came from, what of the file they are not, and what is told of them that they do not have here. */
export function describeSource(report: WeightsReport): string {
  const { path, format, prefix, leftOut, skipped, told, hasFoldedPixels } = report;
  const below = prefix === '' ? '' : `, below ${prefix.slice(0, -1)}`;
  return [
    `${path}: ${format}${below}`,
    ...(leftOut.length > 0 ? [line('left out', listed(leftOut))] : []),
    ...(skipped.length > 0 ? [line('skipped', listed(skipped))] : []),
    ...(told?.pixels && hasOtherPixels(told.pixels)
      ? [line('pixels', pixelsClause(told.pixels, hasFoldedPixels))]
      : []),
    ...(told?.normEps !== undefined && told.normEps !== NORM_EPS
      ? [
          line(
            'norms',
            `add ${NORM_EPS.toExponential()} to the variance, where ${told.path} says ${told.normEps.toExponential()}`,
          ),
        ]
      : []),
  ].join('\n');
}

/** A ResNet's first convolution has a border of zeros, which are other pixels: nothing is folded into it. */
function pixelsClause(theirs: PixelSettings, isFolded: boolean): string {
  const own = pixelsText({ mean: PIXEL_MEAN, std: PIXEL_STD });
  return isFolded
    ? `its ${pixelsText(theirs)} are folded into the patch embedding, for images of ${own}`
    : `normalised by ${own}, where its own are by ${pixelsText(theirs)}`;
}

function pixelsText({ mean, std }: PixelSettings): string {
  return `mean ${mean.join(' ')} and std ${std.join(' ')}`;
}

function line(title: string, text: string): string {
  return `  ${title.padEnd(10)}  ${text}`;
}

function listed(names: readonly string[], separator = ', '): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).join(separator) + (more > 0 ? ` and ${more} more` : '');
}
