// Losses as functions: named, parametrised and reduced as those of torch.nn.functional, but for what a docstring says. Half precision is
// widened to float32 first; float64 stays. Each throws ShapeError when shapes do not fit.
//
// B images, C classes, D features; "..." is any number of further dimensions, pixels for one.

import { ShapeError } from '../errors.js';
import * as torch from '../ops.gen.js';
import { isFloatingPoint } from '../dtype.js';
import type { Reduction } from '../operands.js';
import type { Tensor } from '../tensor.js';

/** How the losses of single elements become the result. */
export interface ReductionOption {
  /** `mean` gives [], `sum` too, `none` every element's loss. Default `mean`. */
  readonly reduction?: Reduction;
}

/** What losses of class indices share. */
export interface ClassLossOptions extends ReductionOption {
  /** Weight of each class, [C]; the mean is over the weights. */
  readonly weight?: Tensor;
  /** A target that counts nothing, and not in the mean either. Default -100. */
  readonly ignoreIndex?: number;
}

/** How `crossEntropy` counts. */
export interface CrossEntropyOptions extends ClassLossOptions {
  /** Share of the target that is spread over all classes evenly, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * -sum over classes of target log softmax(logits).
 * @param logits [B, C, ...]
 * @param target classes, int64 [B, ...] in [0, C) or `ignoreIndex`; or probabilities, float [B, C, ...] (no `ignoreIndex` then)
 * With every target ignored the mean is NaN, as in PyTorch.
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { weight, reduction, ignoreIndex, labelSmoothing } = options;
  const scores = widened(logits);
  const wanted = isFloatingPoint(target.dtype) ? target.to(scores.dtype) : target;
  return scores.crossEntropyLoss(wanted, weight?.to(scores.dtype), reduction, ignoreIndex, labelSmoothing);
}

/** -logProbs at the target: [B, C, ...] and classes int64 [B, ...]. `crossEntropy` without its softmax. */
export function nllLoss(logProbs: Tensor, target: Tensor, options: ClassLossOptions = {}): Tensor {
  const { weight, reduction, ignoreIndex } = options;
  const scores = widened(logProbs);
  return scores.nllLossNd(target, weight?.to(scores.dtype), reduction, ignoreIndex);
}

/** (input - target)^2 of two tensors of one shape. */
export function mseLoss(input: Tensor, target: Tensor, { reduction }: ReductionOption = {}): Tensor {
  const [x, y] = widenedPair('mseLoss', input, target);
  return x.mseLoss(y, reduction);
}

/** |input - target| of two tensors of one shape. */
export function l1Loss(input: Tensor, target: Tensor, { reduction }: ReductionOption = {}): Tensor {
  const [x, y] = widenedPair('l1Loss', input, target);
  return x.l1Loss(y, reduction);
}

/** For a difference d of two tensors of one shape: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2. */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  { beta, reduction }: ReductionOption & { readonly beta?: number } = {},
): Tensor {
  const [x, y] = widenedPair('smoothL1Loss', input, target);
  return x.smoothL1Loss(y, reduction, beta);
}

/** How `binaryCrossEntropyWithLogits` counts. */
export interface BinaryCrossEntropyOptions extends ReductionOption {
  /** Weight of each element, broadcast to the logits. */
  readonly weight?: Tensor;
  /** Factor on the positive part, broadcast to the logits: above 1 for more recall. */
  readonly posWeight?: Tensor;
}

/** -(posWeight target log sigmoid(logits) + (1 - target) log(1 - sigmoid(logits))); targets in [0, 1], of the logits' shape. */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  { weight, posWeight, reduction }: BinaryCrossEntropyOptions = {},
): Tensor {
  const [x, y] = widenedPair('binaryCrossEntropyWithLogits', logits, target);
  return x.binaryCrossEntropyWithLogits(y, weight?.to(x.dtype), posWeight?.to(x.dtype), reduction);
}

/** a b / (max(|a|, eps) max(|b|, eps)) along `dim` (default 1), which is gone after; eps is 1e-8. */
export function cosineSimilarity(
  a: Tensor,
  b: Tensor,
  { dim, eps }: { readonly dim?: number; readonly eps?: number } = {},
): Tensor {
  const [x, y] = widenedPair('cosineSimilarity', a, b);
  return torch.cosineSimilarity(x, y, dim, eps);
}

/** With the cosine s of a and b [B, D]: 1 - s where the target [B] is 1, max(0, s - margin) where it is -1. */
export function cosineEmbeddingLoss(
  a: Tensor,
  b: Tensor,
  target: Tensor,
  { margin, reduction }: ReductionOption & { readonly margin?: number } = {},
): Tensor {
  const [x, y] = widenedPair('cosineEmbeddingLoss', a, b);
  return torch.cosineEmbeddingLoss(x, y, target, margin, reduction);
}

/** How `klDiv` counts. */
export interface KlDivOptions {
  /** Whether the target is logarithms too. Default false. */
  readonly logTarget?: boolean;
  /** Default `batchmean`, the sum over B; PyTorch's own default is `mean`, over all elements, which is not the divergence. */
  readonly reduction?: Reduction | 'batchmean';
}

/** Kullback-Leibler divergence target (log target - logProbs); both [B, ...], zeros of the target count nothing. */
export function klDiv(
  logProbs: Tensor,
  target: Tensor,
  { logTarget = false, reduction = 'batchmean' }: KlDivOptions = {},
): Tensor {
  const [x, y] = widenedPair('klDiv', logProbs, target);
  if (reduction !== 'batchmean') return x.klDiv(y, reduction, { logTarget });
  return x.klDiv(y, 'sum', { logTarget }).div(x.shape[0] ?? 1);
}

function widened(x: Tensor): Tensor {
  return x.dtype === 'float64' ? x : x.to('float32');
}

/** Both in one dtype. libtorch would broadcast other shapes, which is a mistake where every element has its own target. */
function widenedPair(where: string, input: Tensor, target: Tensor): [Tensor, Tensor] {
  if (input.shape.join() !== target.shape.join()) {
    const [own, other] = [input, target].map(({ shape }) => `[${shape.join(', ')}]`);
    throw new ShapeError(`${where}: both inputs must have one shape, got ${own ?? ''} and ${other ?? ''}`);
  }
  const x = widened(input);
  return [x, target.to(x.dtype)];
}
