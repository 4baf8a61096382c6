/** The `model.resnet` section that a ResNet-18's weights were made with, as far as they tell. */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';

/** What changes the shapes or names of a ResNet-18's parameters. */
export type ResnetSettings = Pick<Config['model']['resnet'], 'stem' | 'variant'>;

/** The settings of these tensors, which have torchvision's names; undefined where they are of a deeper ResNet. */
export function resnetSettings(tensors: ReadonlyMap<string, Tensor>): ResnetSettings | undefined {
  // A stage has two blocks of two convolutions.
  if ([...tensors.keys()].some((name) => /^layer\d\.(\d+\.conv3|([2-9]|\d\d+))\./.test(name))) return undefined;
  return {
    stem: tensors.get('conv1.weight')?.shape[2] === 3 ? 'small' : 'imagenet',
    variant: tensors.has('layer1.0.downsample.0.weight') ? 'sie' : 'torchvision',
  };
}
