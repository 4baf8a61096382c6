// @halfway/torch/nn: modules with PyTorch's names and initialisation. Randomness, mode and compute dtype are arguments.

export { Gelu, relu } from './activations.js';
export { Attention, type AttentionConfig } from './attention.js';
export { BatchNorm1d, type BatchNormOptions } from './batchNorm.js';
export { Conv2d, type ConvConfig, ConvTranspose2d } from './conv.js';
export { dropPath } from './dropPath.js';
export * as init from './init.js';
export { LayerNorm } from './layerNorm.js';
export { Linear } from './linear.js';
export { type ForwardContext, Module } from './module.js';
export { Parameter } from './parameter.js';
export { type StateDictDifference, StateDictError } from './stateDict.js';
