// @halfway/torch/nn: modules with PyTorch's names and initialisation. Randomness, mode and compute dtype are arguments.

export { Attention, type AttentionConfig } from './attention.js';
export { Conv2d, type ConvConfig, ConvTranspose2d } from './conv.js';
export { dropPath } from './dropPath.js';
export * as init from './init.js';
export { Linear } from './linear.js';
export { type ForwardContext, Module, Parameter, type StateDictDifference, StateDictError } from './module.js';
export { BatchNorm1d, LayerNorm } from './norms.js';
