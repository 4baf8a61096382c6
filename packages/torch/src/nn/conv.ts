// Convolutions and transposed convolutions. They differ in the number of spatial dimensions and in the direction; all else is the base.
//
// B images, H' and H pixels of a side after and before, one rule for each side.

import * as torch from '../ops.gen.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { defaultBias, defaultWeight } from './linear.js';
import { type ForwardContext, Module } from './module.js';
import type { Parameter } from './parameter.js';
import { type PerDimension, eachDimension } from './perDimension.js';

/** A kernel and how it moves, in pixels. */
export interface ConvConfig {
  readonly kernel: PerDimension;
  readonly stride?: PerDimension; // 1
  readonly padding?: PerDimension; // zeros on each side; 0
  readonly dilation?: PerDimension; // steps between the elements of the kernel; 1
  readonly groups?: number; // parts of the channels that do not see each other; 1
  readonly bias?: boolean; // true
}

/** `ConvConfig`, and what tells apart the outputs that a strided convolution maps to one size. */
export interface ConvTransposeConfig extends ConvConfig {
  readonly outputPadding?: PerDimension; // pixels more at the end; 0
}

interface Kind {
  readonly name: string;
  readonly numDims: number; // spatial ones
  readonly isTransposed: boolean;
}

/** A convolution of any kind. PyTorch's names, shapes and initialisation. */
abstract class Convolution extends Module {
  readonly weight: Parameter; // [out, in / groups, ...kernel]; transposed [in, out / groups, ...kernel]
  readonly bias: Parameter | undefined; // [out]
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly #kind: Kind;

  protected constructor(kind: Kind, inDim: number, outDim: number, config: ConvTransposeConfig, rng: Generator) {
    super();
    const { name, numDims, isTransposed } = kind;
    const { kernel, stride = 1, padding = 0, dilation = 1, outputPadding = 0, groups = 1, bias = true } = config;
    if (!(groups >= 1) || inDim % groups !== 0 || outDim % groups !== 0) {
      throw new Error(
        `${name}: channels must be multiples of groups, got ${inDim} in, ${outDim} out, ${groups} groups`,
      );
    }
    this.stride = eachDimension(`${name}: stride`, stride, numDims, 1);
    this.padding = eachDimension(`${name}: padding`, padding, numDims, 0);
    this.dilation = eachDimension(`${name}: dilation`, dilation, numDims, 1);
    this.outputPadding = eachDimension(`${name}: outputPadding`, outputPadding, numDims, 0);
    this.groups = groups;
    this.#kind = kind;
    // PyTorch takes the second dimension times the kernel as fan_in in both directions, though it is the transposed one's output.
    const channels = isTransposed ? [inDim, outDim / groups] : [outDim, inDim / groups];
    this.weight = defaultWeight([...channels, ...eachDimension(`${name}: kernel`, kernel, numDims, 1)], rng);
    this.bias = bias ? defaultBias(this.weight, outDim, rng) : undefined;
  }

  /** [B, in, ...] to [B, out, ...] in the compute dtype. Throws ShapeError for another shape. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    return torch.convolution(
      x.to(computeDtype),
      this.weight.to(computeDtype),
      this.bias?.to(computeDtype),
      this.stride,
      this.padding,
      this.dilation,
      this.#kind.isTransposed,
      this.outputPadding,
      this.groups,
    );
  }
}

/** 1-D cross-correlation: H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. */
export class Conv1d extends Convolution {
  constructor(inChannels: number, outChannels: number, config: ConvConfig, rng: Generator) {
    super({ name: 'Conv1d', numDims: 1, isTransposed: false }, inChannels, outChannels, config, rng);
  }
}

/** 2-D cross-correlation: H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. */
export class Conv2d extends Convolution {
  constructor(inChannels: number, outChannels: number, config: ConvConfig, rng: Generator) {
    super({ name: 'Conv2d', numDims: 2, isTransposed: false }, inChannels, outChannels, config, rng);
  }
}

/** The transpose of a 2-D convolution: H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1. */
export class ConvTranspose2d extends Convolution {
  constructor(inChannels: number, outChannels: number, config: ConvTransposeConfig, rng: Generator) {
    super({ name: 'ConvTranspose2d', numDims: 2, isTransposed: true }, inChannels, outChannels, config, rng);
  }

  override forward(x: Tensor, ctx: ForwardContext): Tensor {
    return doublesSide(this) && isNarrow(this) ? convolveBlocks(x, this, ctx) : super.forward(x, ctx);
  }
}

/** Whether H' = 2 H with each output pixel made of 2 x 2 input pixels: the usual upsampling. */
function doublesSide({ weight, stride, padding, dilation, outputPadding, groups }: ConvTranspose2d): boolean {
  const all = (values: readonly number[], value: number): boolean => values.every((each) => each === value);
  const hasKernel = all(weight.shape.slice(2), 4) && all(stride, 2) && all(padding, 1);
  return hasKernel && all(dilation, 1) && all(outputPadding, 0) && groups === 1;
}

/** Kernels work on 16 channels at once. A transposed convolution to three, a decoder's last, leaves most of that idle. */
function isNarrow({ weight: { shape } }: ConvTranspose2d): boolean {
  const [, outDim = 0] = shape;
  return outDim <= 4;
}

/**
 * The transposed convolution of `doublesSide` as a convolution with kernel 2, whose 4 * out channels are the four pixels of a block of the output.
 *
 * Block p has the output rows 2p - 1 and 2p: row 2p - 1 + r is x[p] w[r] + x[p - 1] w[2 + r]. Blocks overhang by a pixel on each side.
 * Forward and backward of 16 to 3 channels take 0.6 to 0.8 of the time.
 */
function convolveBlocks(x: Tensor, { weight, bias }: ConvTranspose2d, { computeDtype }: ForwardContext): Tensor {
  const [inDim = 0, outDim = 0] = weight.shape;
  const taps = weight.to(computeDtype).reshape([inDim, outDim, 2, 2, 2, 2]); // [in, out, tapY, r, tapX, r]
  const blockWeight = taps
    .flip([2, 4])
    .permute([1, 3, 5, 0, 2, 4])
    .reshape([4 * outDim, inDim, 2, 2]);
  const blockBias = bias?.to(computeDtype).repeatInterleave(4);
  const blocks = x.to(computeDtype).conv2d(blockWeight, blockBias, [1, 1], [1, 1]); // [B, 4 out, H + 1, W + 1]
  return blocks.pixelShuffle(2).slice(2, 1, -1).slice(3, 1, -1); // [B, out, 2 H, 2 W]
}
