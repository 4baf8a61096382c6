/** The sizes of encoders that have a name. */
import type { Config } from './schema.js';

type Shape = Pick<Config['model'], 'widthDim' | 'depth' | 'numHeads'>;

// iBOT and DINOv2, vision_transformer.py; heads are 64 wide.
export const VIT_SIZES = {
  tiny: { widthDim: 192, depth: 12, numHeads: 3 },
  small: { widthDim: 384, depth: 12, numHeads: 6 },
  base: { widthDim: 768, depth: 12, numHeads: 12 },
  large: { widthDim: 1024, depth: 24, numHeads: 16 },
} as const satisfies Record<Exclude<Config['model']['size'], 'custom'>, Shape>;

/** D of ResNet-18. */
export const RESNET18_WIDTH_DIM = 512;
