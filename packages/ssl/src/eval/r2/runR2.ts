/**
 * The task `r2` from photos to report: features of both borders, parts by image, heads, one report.
 *
 * n photos, A thetas a photo, P parameters.
 */
import { tensor } from '@halfway/torch';
import type { Config } from '../../config/schema.js';
import { DataError } from '../../errors.js';
import { BORDERS, R2_PARAMETERS, type Border, type R2Parameter, type R2Report } from '../../protocol/report.js';
import { idsOf, type EvaluationData, type EvaluationPart } from '../evaluationData.js';
import type { EncodedPhotos } from '../features.js';
import { partitionById, VALIDATION_FRACTION, type Partition } from '../partition.js';
import type { PhotoFeatures } from '../photoFeatures.js';
import type { ProgressListener } from '../progress.js';
import { answersOf, describeHeads, r2ReportOf, type R2Answer, type R2Parts } from './evaluateR2.js';
import { selectImages, type PairSet } from './pairSet.js';
import { describeRanges, drawThetas, scaleThetas } from './thetas.js';
import type { TransformedFeatures } from './transformedFeatures.js';

export interface RunR2Options {
  readonly features: PhotoFeatures;
  readonly data: EvaluationData;
  readonly settings: Config['eval'];
  readonly onProgress: ProgressListener;
  readonly addSeconds: (part: string, seconds: number) => void;
}

/** Features of a part under one border. */
interface PartFeatures {
  readonly original: EncodedPhotos;
  readonly transformed: TransformedFeatures;
}

/** The photos that were readable, and how the training ones are split. */
interface Readable {
  readonly shortSidesPx: readonly Int32Array[]; // of both parts
  readonly train: Int32Array; // positions in the source
  readonly test: Int32Array;
  readonly split: Partition; // positions among `train`
}

/** Scores every parameter under both borders. */
export async function runR2(options: RunR2Options): Promise<R2Report> {
  const answers: R2Answer[] = [];
  let readable: Readable | undefined;
  for (const border of BORDERS) {
    const train = await partFeatures(options, options.data.train, border);
    const test = await partFeatures(options, options.data.test, border);
    readable ??= readablePhotos(options.data, train, test);
    requireSamePhotos(readable, train, test);
    const start = performance.now();
    for (const parameter of R2_PARAMETERS) {
      answers.push(...(await answersOfParameter(options, readable, { train, test }, parameter, border)));
    }
    options.addSeconds('r2 heads', (performance.now() - start) / 1000);
    for (const { transformed } of [train, test]) {
      for (const parameter of R2_PARAMETERS) transformed.features[parameter].dispose();
    }
  }
  if (readable === undefined) throw new Error('internal: runR2: no border');
  return r2ReportOf(answers, protocolOf(options, readable));
}

async function partFeatures(options: RunR2Options, part: EvaluationPart, border: Border): Promise<PartFeatures> {
  const original = await options.features.originals(part, border);
  return { original, transformed: await options.features.transformed(part, border) };
}

async function answersOfParameter(
  options: RunR2Options,
  readable: Readable,
  encoded: { readonly train: PartFeatures; readonly test: PartFeatures },
  parameter: R2Parameter,
  border: Border,
): Promise<readonly R2Answer[]> {
  const { data, features, settings, onProgress } = options;
  const train = pairSet(features, encoded.train, parameter, idsOf(data.train, readable.train), settings);
  const test = pairSet(features, encoded.test, parameter, idsOf(data.test, readable.test), settings);
  const parts: R2Parts = {
    fit: selectImages(train, readable.split.kept),
    validation: selectImages(train, readable.split.heldOut),
    test,
  };
  try {
    return await answersOf(parameter, border, parts, { ...settings.r2, onProgress });
  } finally {
    const made = [train.target, test.target, ...[parts.fit, parts.validation].flatMap(tensorsOf)];
    for (const used of made) used.dispose();
  }
}

/** Features of one parameter with the thetas they were made with. */
function pairSet(
  features: PhotoFeatures,
  encoded: PartFeatures,
  parameter: R2Parameter,
  ids: readonly string[],
  settings: Config['eval'],
): PairSet {
  const transformation = features.transformations[parameter];
  const thetasPerImage = settings.r2.anglesPerImage;
  const target = scaleThetas(transformation, drawThetas(transformation, ids, thetasPerImage));
  return {
    base: encoded.original.features,
    transformed: encoded.transformed.features[parameter],
    target: tensor(target, { shape: [ids.length * thetasPerImage, transformation.parameters.length] }),
    thetasPerImage,
  };
}

function tensorsOf({ base, transformed, target }: PairSet): PairSet['base'][] {
  return [base, transformed, target];
}

function readablePhotos(data: EvaluationData, train: PartFeatures, test: PartFeatures): Readable {
  const ids = idsOf(data.train, train.original.indices);
  return {
    train: train.original.indices,
    test: test.original.indices,
    shortSidesPx: [train.original.shortSidesPx, test.original.shortSidesPx],
    split: partitionById(ids, VALIDATION_FRACTION, 'validation'),
  };
}

/** A photo that was read at one time and not at another would shift the thetas of all that follow. */
function requireSamePhotos(readable: Readable, train: PartFeatures, test: PartFeatures): void {
  for (const part of ['train', 'test'] as const) {
    const encoded = part === 'train' ? train : test;
    for (const indices of [encoded.original.indices, encoded.transformed.indices]) {
      const wanted = readable[part];
      if (indices.length === wanted.length && indices.every((index, i) => index === wanted[i])) continue;
      throw new DataError(
        `eval: every pass must read the same ${part} photos, got ${indices.length} and ${wanted.length}; ` +
          'a file changed meanwhile or is read only sometimes: run it again',
      );
    }
  }
}

function protocolOf({ features, settings }: RunR2Options, readable: Readable): string {
  const { split, test } = readable;
  const canvas = features.renderingPx('inside');
  const ranges = R2_PARAMETERS.map((parameter) => describeRanges(features.transformations[parameter])).join('; ');
  return [
    `${settings.r2.anglesPerImage} thetas a photo, uniform, the same for every encoder (${ranges})`,
    `inside: I and g(I) are the central ${features.sizePx} px of a ${canvas} px rendering${enlargedText(readable, canvas)}; ` +
      `zeros: g fills the ${features.sizePx} px square with black`,
    `split by photo, by hash of the id: ${split.kept.length} fit, ${split.heldOut.length} validation, ${test.length} test`,
    describeHeads(settings.r2),
  ].join('; ');
}

/** How many photos are too small for the rendering: what they show of detail is invented by the resize. */
function enlargedText({ shortSidesPx }: Readable, canvasPx: number): string {
  const total = shortSidesPx.reduce((sum, sides) => sum + sides.length, 0);
  const numSmall = shortSidesPx.reduce((sum, sides) => sum + sides.filter((side) => side < canvasPx).length, 0);
  return numSmall === 0 ? '' : ` (${numSmall} of ${total} photos are smaller and were enlarged)`;
}
