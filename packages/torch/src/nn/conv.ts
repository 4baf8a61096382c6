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
}
