/**
 * The task `r2` from photos to report: features of both borders, parts by image, heads, one report.
 *
 * n photos, A thetas a photo, P parameters.
 */
import { tensor } from '@halfway/torch';
import type { Config } from '../../config/schema.js';
import { ConfigError, DataError } from '../../errors.js';
import { BORDERS, R2_PARAMETERS, type Border, type R2Parameter, type R2Report } from '../../protocol/report.js';
import { idsOf, type EvaluationData, type EvaluationPart } from '../evaluationData.js';
import type { EncodedPhotos } from '../features.js';
import { partitionById, VALIDATION_FRACTION, type Partition } from '../partition.js';
import type { PhotoFeatures } from '../photoFeatures.js';
import type { ProgressListener } from '../progress.js';
import { answersOf, describeHeads, r2ReportOf, type R2Answer, type R2Parts } from './evaluateR2.js';
import { selectImages, type PairSet } from './pairSet.js';
import { describeRanges, drawThetas, requireRanges, scaleThetas } from './thetas.js';
import type { TransformedFeatures } from './transformedFeatures.js';

/** What is asked: the parameters, each under the borders. */
export interface R2Questions {
  readonly parameters: readonly R2Parameter[];
  readonly borders: readonly Border[];
}

/**
 * Questions in the order of reports, each once; all where nothing is named.
 * @throws ConfigError when an empty list is named
 */
export function r2Questions({ parameters = R2_PARAMETERS, borders = BORDERS }: Partial<R2Questions> = {}): R2Questions {
  if (parameters.length === 0 || borders.length === 0)
    throw new ConfigError('eval: r2 needs at least one parameter and one border, got none; leave them out to ask all');
  return {
    parameters: R2_PARAMETERS.filter((parameter) => parameters.includes(parameter)),
    borders: BORDERS.filter((border) => borders.includes(border)),
  };
}

export interface RunR2Options {
  readonly questions: R2Questions;
  readonly features: PhotoFeatures;
  readonly data: EvaluationData;
  readonly settings: Config['eval'];
  readonly onProgress: ProgressListener;
  readonly addSeconds: (part: string, seconds: number) => void;
}

/** Features of a part for one parameter under one border. */
interface PartFeatures {
  readonly original: EncodedPhotos;
  readonly transformed: TransformedFeatures;
}

type EncodedParts = Readonly<Record<EvaluationPart['name'], PartFeatures>>;

/** The photos that were readable, and how the training ones are split. */
interface Readable {
  readonly shortSidesPx: readonly Int32Array[]; // of both parts
  readonly train: Int32Array; // positions in the source
  readonly test: Int32Array;
  readonly split: Partition; // positions among `train`
}

/**
 * Scores the parameters under the borders that are asked about.
 * @throws ConfigError, before any photo is rendered, where a parameter has no range; DataError where photos change meanwhile
 */
export async function runR2(options: RunR2Options): Promise<R2Report> {
  const { features, data, questions } = options;
  for (const parameter of questions.parameters) requireRanges(parameter, features.transformations[parameter]);
  const answers: R2Answer[] = [];
  let readable: Readable | undefined;
  for (const border of questions.borders) {
    const train = await features.originals(data.train, border);
    const test = await features.originals(data.test, border);
    readable ??= readablePhotos(data, train, test);
    for (const parameter of questions.parameters) {
      const made: TransformedFeatures[] = [];
      const transformed = async (part: EvaluationPart): Promise<TransformedFeatures> => {
        const rows = await features.transformed(part, border, parameter);
        made.push(rows);
        return rows;
      };
      try {
        const encoded = {
          train: { original: train, transformed: await transformed(data.train) },
          test: { original: test, transformed: await transformed(data.test) },
        };
        requireSamePhotos(readable, encoded);
        const start = performance.now();
        answers.push(...(await answersOfParameter(options, readable, encoded, parameter, border)));
        options.addSeconds('r2 heads', (performance.now() - start) / 1000);
      } finally {
        for (const { features: rows } of made) rows.dispose();
      }
    }
  }
  if (readable === undefined) throw new Error('internal: runR2: no border');
  return r2ReportOf(answers, protocolOf(options, readable));
}

async function answersOfParameter(
  options: RunR2Options,
  readable: Readable,
  encoded: EncodedParts,
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
    transformed: encoded.transformed.features,
    target: tensor(target, { shape: [ids.length * thetasPerImage, transformation.parameters.length] }),
    thetasPerImage,
  };
}

function tensorsOf({ base, transformed, target }: PairSet): PairSet['base'][] {
  return [base, transformed, target];
}

function readablePhotos(data: EvaluationData, train: EncodedPhotos, test: EncodedPhotos): Readable {
  const ids = idsOf(data.train, train.indices);
  return {
    train: train.indices,
    test: test.indices,
    shortSidesPx: [train.shortSidesPx, test.shortSidesPx],
    split: partitionById(ids, VALIDATION_FRACTION, 'validation'),
  };
}

/** A photo that was read at one time and not at another would shift the thetas of all that follow. */
function requireSamePhotos(readable: Readable, encoded: EncodedParts): void {
  for (const part of ['train', 'test'] as const) {
    const { original, transformed } = encoded[part];
    for (const { indices } of [original, transformed]) {
      const wanted = readable[part];
      if (indices.length === wanted.length && indices.every((index, i) => index === wanted[i])) continue;
      throw new DataError(
        `eval: every pass must read the same ${part} photos, got ${indices.length} and ${wanted.length}; ` +
          'a file changed meanwhile or is read only sometimes: run it again',
      );
    }
  }
}

function protocolOf({ features, questions, settings }: RunR2Options, readable: Readable): string {
  const { split, test } = readable;
  const ranges = questions.parameters
    .map((parameter) => describeRanges(features.transformations[parameter]))
    .join('; ');
  const left = [
    ...R2_PARAMETERS.filter((parameter) => !questions.parameters.includes(parameter)),
    ...BORDERS.filter((border) => !questions.borders.includes(border)),
  ];
  return [
    `${settings.r2.anglesPerImage} thetas a photo, uniform, the same for every encoder (${ranges})`,
    ...questions.borders.map((border) => borderText(features, border, readable)),
    ...(left.length === 0 ? [] : [`not asked: ${left.join(', ')}`]),
    `split by photo, by hash of the id: ${split.kept.length} fit, ${split.heldOut.length} validation, ${test.length} test`,
    describeHeads(settings.r2),
  ].join('; ');
}

function borderText(features: PhotoFeatures, border: Border, readable: Readable): string {
  const { sizePx } = features;
  const canvas = features.renderingPx(border);
  switch (border) {
    case 'inside':
      return `inside: I and g(I) are the central ${sizePx} px of a ${canvas} px rendering${enlargedText(readable, canvas)}`;
    case 'zeros':
      return `zeros: g fills the ${sizePx} px square with black`;
    default:
      return border satisfies never;
  }
}

/** How many photos are too small for the rendering: what they show of detail is invented by the resize. */
function enlargedText({ shortSidesPx }: Readable, canvasPx: number): string {
  const total = shortSidesPx.reduce((sum, sides) => sum + sides.length, 0);
  const numSmall = shortSidesPx.reduce((sum, sides) => sum + sides.filter((side) => side < canvasPx).length, 0);
  return numSmall === 0 ? '' : ` (${numSmall} of ${total} photos are smaller and were enlarged)`;
}
