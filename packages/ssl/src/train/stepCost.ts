/**
 * What a training step costs, by formula: floating-point operations and bytes of memory. Nothing is run.
 *
 * A step sends rows (tokens, vectors, pixels) through linear maps of I inputs and O outputs (linearMaps.ts). A row costs I * O multiply-adds
 * on the way there, as many for the gradient of its input and as many for that of the weights; T tokens that attend to each other cost
 * 2 T^2 D more, there, and twice that back. A teacher's are on the way there only. Norms, activations, softmax, losses, augmentation and the
 * optimizer are left out, as is usual: they are few operations. So is that iBOT's teacher embeds every patch for its centre, 3 % of a step of
 * ViT-S; else PyTorch's own counter gives the same within half a percent.
 *
 *   FLOPs = 2 * B * (3 * student's multiply-adds + teacher's)
 *
 * For the way back each map keeps its input and its output, once a row (of a pre-norm block that is 16 D values a token: two norms, q, k
 * and v, what they attend to, and the MLP's 4 D before and after GELU):
 *
 *   bytes = 4 * parameters * (1 + 1 for gradients + 2 moments of Adam, 1 of LARS and SGD) + 4 * teacher's parameters
 *         + B * 12 S^2 * (3 a view + 2 a state of the path)
 *         + B * sum of rows * (I + O) * (2 in bfloat16, else 4), prototypes' scores 8: the student's and the teacher's in f32
 *         + in bfloat16 a copy of the weights for each pass, and, on a CPU, the weights of attention, H T^2 a block
 *
 * B photos, T tokens, D width, H heads, S pixels of a view's side.
 */
import { imagesPerStep } from '../config/peakLr.js';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import type { ViewRequest } from '../data/batch.js';
import { vitConfig } from '../models/vit.js';
import type { Objective } from '../objectives/objective.js';
import { uniformStream } from '../transforms/philox.js';
import { ATTENTION, type LinearMap, linearMaps, type Seen, sum, tokensOf } from './linearMaps.js';

export interface StepCost {
  /** Floating-point operations of a step, two a multiply-add: by part of the network, `teacher`, `total`. */
  readonly flops: Readonly<Record<string, number>>;
  /** Bytes held at the peak: parameters, gradients, optimizer, teacher, images, activations, `total`. */
  readonly memoryBytes: Readonly<Record<string, number>>;
}

type ComputeDtype = 'float32' | 'bfloat16';

const F32_BYTES = 4;
const MOMENTS = { adamw: 2, adam: 2, lars: 1, sgd: 1 } as const satisfies Record<Config['optim']['algorithm'], number>;
const SAMPLED_PHOTOS = 256; // whose masks are drawn to know how many patches are hidden

/** The cost of a step of `config.train.batch` photos. */
export function stepCost(config: Config, objective: Objective, computeDtype: ComputeDtype): StepCost {
  const { network, teacher } = objective;
  const { train } = config;
  const seen = seenOf(objective, config);
  const maps = linearMaps(network, seen, config).map((map) => trained(map, config));
  const still = linearMaps(network, seenStill(seen, objective, config), config).filter(isOfStudent);
  const globals = seen.grids.slice(0, objective.views.filter(({ local }) => local !== true).length);
  const ofTeacher = config.recon.source === 'teacher_v1' ? headTokens(globals.slice(0, 1), config) : 0;
  const seenByTeacher = { ...seen, grids: globals, numViews: globals.length, equivariantTokens: ofTeacher };
  const teacherMaps = teacher ? linearMaps(teacher.network, seenByTeacher, config) : [];
  const operations = (of: readonly LinearMap[]): number =>
    2 * imagesPerStep(config) * sum(of.map(({ multiplyAdds }) => multiplyAdds));
  const computed = [...maps, ...still];
  const parts = [...new Set(computed.map(partOf))];
  const parameters = F32_BYTES * network.numParameters();
  return {
    flops: withTotal({
      ...Object.fromEntries(parts.map((part) => [part, operations(computed.filter((map) => partOf(map) === part))])),
      ...(teacher && { teacher: operations(teacherMaps) }),
    }),
    memoryBytes: withTotal({
      parameters,
      gradients: parameters,
      optimizer: MOMENTS[config.optim.algorithm] * parameters,
      ...(teacher && { teacher: F32_BYTES * teacher.network.numParameters() }),
      images: train.batch * imageBytes(objective),
      activations: activationBytes(maps, seen, config, computeDtype),
    }),
  };
}

/** Whether a task wants views of which nothing is hidden. */
function looksAgain(objective: Objective, { recon }: Config): boolean {
  return objective.encode !== undefined && recon.target !== 'none' && recon.masking === 'unmasked';
}

/** Views and hidden patches of one photo; a task that wants whole views adds a pass of those that it learns from. */
function seenOf(objective: Objective, config: Config): Seen {
  const { model, recon, train } = config;
  const { views, planMasks } = objective;
  const grids = views.map(({ sizePx }) => sizePx / patchPx(model));
  const read = grids.slice(recon.source === 'student' ? 0 : 1, 2); // that a task learns from
  const again = looksAgain(objective, config) ? read : [];
  const masks = planMasks?.((image, view) => uniformStream(train.seed, 0, image, view, 'mask'), SAMPLED_PHOTOS) ?? [];
  const hidden = masks.map((cells) => cells?.reduce((total, cell) => total + cell, 0) ?? 0);
  return {
    grids: [...grids, ...again],
    numViews: grids.length,
    maskedPatches: sum(hidden) / SAMPLED_PHOTOS,
    equivariantTokens: headTokens(read, config),
  };
}

/** What the student makes of v1 on the way there only, for a task that learns from v2 alone. */
function seenStill({ grids }: Seen, objective: Objective, config: Config): Seen {
  const read = config.recon.source === 'student_v2_only' ? grids.slice(0, 1) : [];
  return {
    grids: looksAgain(objective, config) ? read : [],
    ...{ numViews: 0, maskedPatches: 0, equivariantTokens: headTokens(read, config) },
  };
}

/** Tokens of views of which a task reads outputs of the head. */
function headTokens(grids: readonly number[], { split, recon }: Config): number {
  const isSplitByHead = split.location === 'head_output' && recon.target !== 'none';
  return isSplitByHead ? sum(grids.map((grid) => grid ** 2 + 1)) : 0;
}

/** A photo's views as they come, normalised, and side by side with others; the states of a path as they come and normalised. */
function imageBytes({ views }: Objective): number {
  const numCopies = ({ transformed }: ViewRequest): number =>
    3 + (transformed ? 2 * (transformed.intermediates + 1) : 0);
  return F32_BYTES * sum(views.map((view) => numCopies(view) * 3 * view.sizePx ** 2));
}

/** A map there and back, of the images whose branch is computed. */
function trained(map: LinearMap, { model, train }: Config): LinearMap {
  const share = isInBlock(map) ? branchShare(model) : 1;
  const ways = isInBlock(map) && train.checkpointActivations ? 4 : 3; // there, there again, back to input and weights
  return {
    ...map,
    multiplyAdds: share * ways * map.multiplyAdds,
    inputValues: share * map.inputValues,
    outputValues: share * map.outputValues,
  };
}

/** Share of the images for which stochastic depth computes a branch. */
function branchShare({ dropPathForm, dropPathRate, dropPathSchedule }: Config['model']): number {
  if (dropPathForm === 'image') return 1; // it is computed, then dropped
  return 1 - (dropPathSchedule === 'uniform' ? dropPathRate : dropPathRate / 2);
}

/** What is kept for the way back. */
function activationBytes(
  maps: readonly LinearMap[],
  { grids }: Seen,
  config: Config,
  computeDtype: ComputeDtype,
): number {
  const { train } = config;
  const valueBytes = computeDtype === 'bfloat16' ? 2 : 4;
  const attendsByProducts = train.device === 'cpu' && computeDtype === 'bfloat16'; // packages/torch nn/attend.ts
  const keptBytes = (map: LinearMap): number => {
    const { name, inputValues, outputValues } = map;
    if (name === ATTENTION) return attendsByProducts ? valueBytes * outputValues : 0;
    return valueBytes * inputValues + (name.endsWith('.weight_v') ? 2 * F32_BYTES : valueBytes) * outputValues;
  };
  const [blocks, others] = [maps.filter(isInBlock), maps.filter((map) => !isInBlock(map))];
  const numViewSizes = new Set(grids).size;
  const copies = maps.map((map) => (isInBody(map) ? numViewSizes : 1) * map.numWeights);
  return (
    train.batch * (keptOfBlocks(sum(blocks.map(keptBytes)), grids, config, valueBytes) + sum(others.map(keptBytes))) +
    (computeDtype === 'bfloat16' ? valueBytes * sum(copies) : 0)
  );
}

/**
 * All, and LayerScale's input of each branch; with activation checkpoints each block's output, and of one block at a time the inside and
 * its gradients.
 */
function keptOfBlocks(bytes: number, grids: readonly number[], { model, train }: Config, valueBytes: number): number {
  if (model.kind !== 'vit') return bytes;
  const { depth, widthDim } = vitConfig(model);
  const tokenBytes = valueBytes * depth * widthDim * sum(tokensOf(grids, model)); // D values of each block
  const all = bytes + (model.layerScale > 0 ? 2 * branchShare(model) * tokenBytes : 0);
  return train.checkpointActivations ? tokenBytes + (2 * all) / depth : all;
}

function partOf({ name }: LinearMap): string {
  return name.split('.')[0] ?? name;
}

function isInBody({ name }: LinearMap): boolean {
  return /^(encoder|adapter)\./.test(name);
}

/** Not of a task's own network. */
function isOfStudent({ name }: LinearMap): boolean {
  return /^(encoder|adapter|head|patch_head)\./.test(name);
}

function isInBlock({ name }: LinearMap): boolean {
  return name.startsWith('encoder.blocks.');
}

function withTotal(values: Readonly<Record<string, number>>): Record<string, number> {
  const whole = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Math.round(value)]));
  return { ...whole, total: sum(Object.values(whole)) };
}
