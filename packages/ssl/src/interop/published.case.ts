/** The files in fixtures/interop, and encoders of their size. */
import { fileURLToPath } from 'node:url';
import * as torch from '@halfway/torch';
import { parseConfig } from '../config/parse.js';
import { Vit, vitConfig } from '../models/vit.js';
import { shapeSettings } from './vitSettings.js';

/** Path of a file that fixtures/interop/make.py made. */
export function published(name: string): string {
  return fileURLToPath(new URL(`../../../../fixtures/interop/${name}`, import.meta.url));
}

/** An encoder, drawn at random, of the size that these tensors tell, or of another. The files' models have two heads. */
export function encoderFor(tensors: ReadonlyMap<string, torch.Tensor>, change: object = {}): Vit {
  const { model } = parseConfig({ model: { ...shapeSettings(tensors), numHeads: 2, ...change } }, 'test');
  return new Vit(vitConfig(model), torch.generator(0));
}
