/** Why an encoder cannot have a file's weights, with the settings by which it could. */
import { DataError } from '../errors.js';
import { Resnet18 } from '../models/resnet.js';
import type { Vit } from '../models/vit.js';
import { describeUnfit } from './describeFit.js';
import type { EncoderDiff } from './fitWeights.js';
import type { LoadedWeights } from './loadWeights.js';
import { resnetSettings } from './resnetSettings.js';
import { publishedHeads, shapeSettings, type VitSettings } from './vitSettings.js';

/** What differs between the settings of an encoder and those that weights were made with. */
interface Comparison {
  /** Such as `depth 12 where it has 4`. */
  readonly differences: readonly string[];
  /** The settings that fit, as flags. */
  readonly advice: string;
}

/** Attention heads of an encoder. */
export function headsOf({ blocks }: Vit): number {
  return blocks[0]?.attn.numHeads ?? 0;
}

/** What differs, and the settings by which the encoder would be the file's; where no settings would help, the tensors that are wrong. */
export function misfitError(encoder: Vit | Resnet18, weights: LoadedWeights, diff: EncoderDiff): DataError {
  const { path } = weights.report;
  const comparison = encoder instanceof Resnet18 ? compareResnet(encoder, weights) : compareVit(encoder, weights, diff);
  const reason =
    comparison === undefined
      ? `${describeUnfit(diff)}; take another file`
      : `${comparison.differences.join(', ')}; add ${comparison.advice}`;
  return new DataError(`${path}: weights must fit the encoder, got ${reason}`, { path });
}

/** Settings of the file's network; heads where they are told. */
type WantedSettings = Omit<VitSettings, 'numHeads'> & Partial<Pick<VitSettings, 'numHeads'>>;

function compareVit(
  encoder: Vit,
  { tensors, report: { told } }: LoadedWeights,
  diff: EncoderDiff,
): Comparison | undefined {
  const own = { ...shapeSettings(encoder.stateDict()), numHeads: headsOf(encoder) };
  const wanted = { ...shapeSettings(tensors), ...(told?.numHeads !== undefined && { numHeads: told.numHeads }) };
  const hasUnfitScale = diff.some(({ name, standing }) => standing === 'unfit' && name.endsWith('.gamma'));
  const fitsAnyway = (key: keyof VitSettings): boolean =>
    key === 'imagePx' ||
    (key === 'numRegisters' && wanted.numRegisters === 0) ||
    (key === 'layerScale' && !hasUnfitScale); // none, or one of 1 where the encoder has none
  const differing = (Object.keys(wanted) as (keyof VitSettings)[]).filter(
    (key) => own[key] !== wanted[key] && !fitsAnyway(key),
  );
  if (differing.length === 0 || differing.some((key) => wanted[key] === 0)) return undefined;
  const source = (key: keyof VitSettings): string => (key === 'numHeads' && told ? ` in ${told.path}` : '');
  return {
    differences: differing.map((key) => `${key} ${wanted[key]}${source(key)} where it has ${own[key]}`),
    advice: vitAdvice(own, wanted, differing),
  };
}

/** The flags that make an encoder of the settings `own` one of `wanted`. */
function vitAdvice(own: VitSettings, wanted: WantedSettings, differing: readonly (keyof VitSettings)[]): string {
  const { widthDim, depth, patch } = wanted;
  const isOtherSize = (['widthDim', 'depth', 'numHeads'] as const).some((key) => differing.includes(key));
  const numHeads = wanted.numHeads ?? publishedHeads(widthDim);
  const isUnknown = isOtherSize && numHeads === undefined;
  const settings = {
    ...(isOtherSize && { size: 'custom', widthDim, depth, numHeads: numHeads ?? 'H' }),
    ...Object.fromEntries(differing.map((key) => [key, wanted[key]])),
    ...multipleOf(patch, own.imagePx),
  };
  return flagsOf(settings) + (isUnknown ? ', with the H attention heads of the file, which weights do not tell' : '');
}

function compareResnet(
  { hasSmallStem, padsEnd, gridPatches, patchPx }: Resnet18,
  { tensors }: LoadedWeights,
): Comparison | undefined {
  const own = { stem: hasSmallStem ? 'small' : 'imagenet', variant: padsEnd ? 'sie' : 'torchvision' };
  const wanted = resnetSettings(tensors);
  const differing = (['stem', 'variant'] as const).filter((key) => wanted !== undefined && own[key] !== wanted[key]);
  if (wanted === undefined || differing.length === 0) return undefined;
  const settings = {
    ...Object.fromEntries(differing.map((key) => [`resnet.${key}`, wanted[key]])),
    ...(differing.includes('stem') && multipleOf(wanted.stem === 'small' ? 8 : 32, gridPatches * patchPx)),
  };
  return {
    differences: differing.map((key) => `resnet.${key} ${wanted[key]} where it has ${own[key]}`),
    advice: flagsOf(settings),
  };
}

/** A side of images that is a multiple of the patch, where this one is not. */
function multipleOf(patch: number, imagePx: number): { readonly imagePx?: number } {
  return imagePx % patch === 0 ? {} : { imagePx: Math.ceil(imagePx / patch) * patch };
}

function flagsOf(settings: Readonly<Record<string, string | number>>): string {
  const flags = Object.entries(settings).map(([key, value]) => `--set model.${key}=${value}`);
  return flags.join(' ');
}
