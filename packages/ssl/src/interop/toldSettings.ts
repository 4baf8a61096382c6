/** What a configuration tells of weights that no shape does. Whose configuration it is, toldBeside.ts finds out. */
import type { Config } from '../config/schema.js';
import type { VitSettings } from './vitSettings.js';

/** By which values from 0 to 1 an image is normalised, channel by channel: (value - mean) / std. */
export interface PixelSettings {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Settings of weights, as far as a configuration tells them. */
export interface ToldSettings extends Partial<Pick<VitSettings, 'widthDim' | 'depth' | 'numHeads'>> {
  /** How the program that the configuration is of resizes positions. */
  readonly positionResize?: Config['model']['positionResize'];
  /** Of a plain feed-forward part, by the program's own name. */
  readonly activation?: string;
  /** What every layer norm adds to the variance. */
  readonly normEps?: number;
  readonly pixels?: PixelSettings;
  /** Side of the images that a ResNet-18 was trained with. */
  readonly imagePx?: number;
}
