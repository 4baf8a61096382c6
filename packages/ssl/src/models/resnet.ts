/**
 * ResNet-18 as an encoder (He et al. 2016, arXiv 1512.03385): its last feature map is the patch tokens, their mean the class token.
 * There are no registers, no positions and no mask token.
 *
 * Names of parameters and buffers are torchvision's, without `fc`. Batch norm takes the statistics of the batch in training and tracks
 * them; else it takes the tracked ones, which are buffers and so are in checkpoints and exports.
 *
 * B images, C channels, G patches a side, N = G * G patches, P pixels of a patch side (the total stride), D = 512.
 */
import type { Generator, Tensor } from '@halfway/torch';
import { BatchNorm2d, Conv2d, init, type Layer, maxPool2d, Module, Sequential } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import { RESNET18_WIDTH_DIM } from '../config/encoderSizes.js';
import type { Config } from '../config/schema.js';
import { expectMultiple } from '../config/shapeRules.js';
import { type EncoderContext, runLayers } from './checkpointTape.js';
import type { Encoder, Tokens } from './encoder.js';
import { gridOf } from './imageSize.js';

type Options = Config['model']['resnet'];

export interface ResnetConfig extends Options {
  readonly imagePx: number;
  readonly patchPx: number; // 8 with the small stem, else 32
}

/** An encoder of square images of any side that is a multiple of P. */
export class Resnet18 extends Module implements Encoder {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: readonly Layer[];
  readonly layer2: readonly Layer[];
  readonly layer3: readonly Layer[];
  readonly layer4: readonly Layer[];
  readonly widthDim = RESNET18_WIDTH_DIM;
  readonly gridPatches: number;
  readonly patchPx: number;
  readonly hasBatchNorm = true;
  readonly hasSmallStem: boolean;
  readonly padsEnd: boolean;

  /**
   * Convolutions start from N(0, 2 / fan_out). Source: torchvision models/resnet.py.
   * Throws ConfigError unless the image is a multiple of the patch.
   */
  constructor({ imagePx, patchPx, ...options }: ResnetConfig, rng: Generator) {
    super();
    expectMultiple('model.imagePx', imagePx, patchPx);
    this.patchPx = patchPx;
    this.gridPatches = imagePx / patchPx;
    this.hasSmallStem = options.stem === 'small';
    this.padsEnd = options.variant === 'sie';
    const padding = this.padsEnd ? 2 : 3;
    const stem = this.hasSmallStem ? { kernel: 3, padding: 1 } : { kernel: 7, stride: 2, padding };
    this.conv1 = new Conv2d(3, 64, { ...stem, bias: false }, rng);
    this.bn1 = new BatchNorm2d(64);
    this.layer1 = stage(64, 64, options, rng);
    this.layer2 = stage(64, 128, options, rng);
    this.layer3 = stage(128, 256, options, rng);
    this.layer4 = stage(256, RESNET18_WIDTH_DIM, options, rng);
    for (const parameter of this.parameters()) if (parameter.rank === 4) init.kaimingNormal_(parameter, 0, 'out', rng);
  }

  /**
   * Normalised images f32 [B, 3, S, S] to tokens in the compute dtype. Throws ConfigError unless S is a multiple of P, ShapeError in
   * training for one image of one patch.
   */
  forward(images: Tensor, ctx: EncoderContext, mask?: Tensor): Tokens {
    if (mask !== undefined) throw new Error('internal: resnet18: has no mask token, got a mask');
    gridOf('resnet18', images, this.patchPx);
    const blocks = [...this.layer1, ...this.layer2, ...this.layer3, ...this.layer4];
    const map = runLayers(blocks, this.#stem(images, ctx), ctx); // [B, D, G, G]
    const patches = map.flatten(2).transpose(1, 2); // [B, N, D]
    return {
      cls: patches.mean([1], false, { dtype: 'float32' }).to(ctx.computeDtype),
      registers: patches.narrow(1, 0, 0),
      patches,
    };
  }

  /** [B, 3, S, S] to [B, 64, S / 4, S / 4], or [B, 64, S, S] with the small stem. */
  #stem(images: Tensor, ctx: ForwardContext): Tensor {
    const activate = (x: Tensor): Tensor => this.bn1.forward(this.conv1.forward(x, ctx), ctx).relu();
    if (this.hasSmallStem) return activate(images);
    if (!this.padsEnd) return maxPool2d(activate(images), { kernel: 3, stride: 2, padding: 1 });
    // SIE pads with -10,000 before the pooling; after a ReLU zeros are as good.
    return maxPool2d(padEnd(activate(padEnd(images))), { kernel: 3, stride: 2 });
  }
}

/** Two blocks. A stage with more channels out than in halves the side of the map. */
function stage(inDim: number, outDim: number, options: Options, rng: Generator): BasicBlock[] {
  const projects = inDim !== outDim || options.variant === 'sie';
  return [
    new BasicBlock({ ...options, inDim, outDim, stride: outDim / inDim, projects }, rng),
    new BasicBlock({ ...options, inDim: outDim, outDim, stride: 1, projects: false }, rng),
  ];
}

interface BlockConfig extends Options {
  readonly inDim: number;
  readonly outDim: number;
  readonly stride: number;
  /** Whether the shortcut is a convolution 1 x 1, else x itself. */
  readonly projects: boolean;
}

/** relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), [B, C, H, H] to [B, C', H', H']. The stride is conv1's, in SIE conv2's. */
class BasicBlock extends Module implements Layer {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Sequential | undefined;
  readonly padsEnd: boolean;

  constructor({ inDim, outDim, stride, projects, variant, zeroInitResidual }: BlockConfig, rng: Generator) {
    super();
    this.padsEnd = variant === 'sie' && stride > 1;
    const [first, second] = variant === 'sie' ? [1, stride] : [stride, 1];
    this.conv1 = new Conv2d(inDim, outDim, { kernel: 3, stride: first, padding: 1, bias: false }, rng);
    this.bn1 = new BatchNorm2d(outDim);
    const padding = this.padsEnd ? 0 : 1;
    this.conv2 = new Conv2d(outDim, outDim, { kernel: 3, stride: second, padding, bias: false }, rng);
    this.bn2 = new BatchNorm2d(outDim);
    if (this.bn2.weight && zeroInitResidual) init.constant_(this.bn2.weight, 0);
    this.downsample = projects
      ? new Sequential(new Conv2d(inDim, outDim, { kernel: 1, stride, bias: false }, rng), new BatchNorm2d(outDim))
      : undefined;
  }

  forward(x: Tensor, ctx: ForwardContext): Tensor {
    const inner = this.bn1.forward(this.conv1.forward(x, ctx), ctx).relu();
    const residual = this.bn2.forward(this.conv2.forward(this.padsEnd ? padEnd(inner) : inner, ctx), ctx);
    return residual.add(this.downsample?.forward(x, ctx) ?? x).relu();
  }
}

/** One row and one column of zeros after the last. */
function padEnd(map: Tensor): Tensor {
  return map.pad([0, 1, 0, 1]);
}
