/** Weights of a published encoder, or of one of ours, under our names. */
import { OutOfMemoryError, scope, type Tensor } from '@halfway/torch';
import { reasonOf } from '../errors.js';
import { foldPixels, hasOtherPixels } from './foldPixels.js';
import type { FormatName } from './formatNames.js';
import type { WeightFormat } from './formats.js';
import { type Fail, failIn } from './pth/fail.js';
import { recognise, type WeightChoice } from './recognise.js';
import { type ToldBeside, toldBeside } from './toldBeside.js';
import { toOurs } from './translate.js';
import { openWeightFile } from './weightFile.js';

/** What was read of a file, and what was not. */
export interface WeightsReport {
  readonly path: string;
  readonly format: FormatName;
  /** Stands before the names of the network in the file; '' or such as `teacher.backbone.`. */
  readonly prefix: string;
  /** Names of tensors elsewhere in the file: heads, students, optimizers. */
  readonly leftOut: readonly string[];
  /** Objects in the file that are no tensors and were not made, such as `args (argparse.Namespace)`. */
  readonly skipped: readonly string[];
  /** What a configuration beside the file tells, where there is one of these weights. */
  readonly told?: ToldBeside;
  /** Whether the patch embedding was made one for our pixels, since what is told are others. */
  readonly hasFoldedPixels: boolean;
}

export interface LoadedWeights {
  /** By our names (those of DINOv2, models/vit.ts, or of torchvision, models/resnet.ts), in the file's dtypes (a folded patch embedding in f32), on the CPU; they may share memory. */
  readonly tensors: Map<string, Tensor>;
  readonly report: WeightsReport;
}

/**
 * Reads the encoder in a file of PyTorch's or a safetensors file, without Python and without running anything of the file.
 * The format is told by names and shapes; of several networks the teacher is taken.
 *
 * Throws DataError when the file is broken, holds anything but tensors and plain containers, or no encoder or several;
 * SafetensorsError for a broken safetensors file; OutOfMemoryError when the tensors do not fit.
 * @example const { tensors, report } = await loadWeights('dinov2_vits14_pretrain.pth');
 * @example await loadWeights('checkpoint.pth', { key: 'student' });
 */
export async function loadWeights(path: string, choice: WeightChoice = {}): Promise<LoadedWeights> {
  const fail = failIn(path);
  const file = await openWeightFile(path);
  try {
    const { format, prefix } = recognise(file.shapes, choice, fail);
    const names = [...file.shapes.keys()];
    const isOwn = (name: string): boolean =>
      name.startsWith(prefix) && format.foreign?.test(name.slice(prefix.length)) !== true;
    const tensors = scope(() => {
      const read = [...file.read(names.filter(isOwn))];
      return translated(format, new Map(read.map(([name, tensor]) => [name.slice(prefix.length), tensor])), fail);
    });
    const leftOut = names.filter((name) => !isOwn(name));
    const told = toldOf(path, tensors);
    const report = {
      ...{ path, format: format.name, prefix, leftOut, skipped: file.skipped },
      ...(told && { told }),
      hasFoldedPixels: told?.pixels !== undefined && hasOtherPixels(told.pixels) && foldPixels(tensors, told.pixels),
    };
    return { tensors, report };
  } finally {
    file.close();
  }
}

/** A configuration that cannot be read leaves no tensors behind. */
function toldOf(path: string, tensors: ReadonlyMap<string, Tensor>): ToldBeside | undefined {
  try {
    return toldBeside(path, tensors);
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  }
}

/** Rows that do not join are the file's fault. */
function translated(format: WeightFormat, tensors: ReadonlyMap<string, Tensor>, fail: Fail): Map<string, Tensor> {
  try {
    return toOurs(format, tensors);
  } catch (error) {
    if (error instanceof OutOfMemoryError) throw error;
    return fail(`weights must have the shapes of ${format.name}, got: ${reasonOf(error)}; is the file damaged?`);
  }
}
