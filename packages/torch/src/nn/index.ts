/**
 * PyTorch's layers and losses, with its names and initialisation. What has parameters or buffers is a module, all else a
 * function. Randomness, mode and compute dtype are arguments.
 * @module nn
 */

export * from './activations.js';
export { type ActivationCheckpoint, activationCheckpoint } from './activationCheckpoint.js';
export { type AttendOptions, attend } from './attend.js';
export { Attention, type AttentionConfig } from './attention.js';
export { BatchNorm1d, BatchNorm2d, type BatchNormOptions } from './batchNorm.js';
export { type CapturedOutputs, captureOutputs } from './captureOutputs.js';
export { Conv1d, Conv2d, type ConvConfig, ConvTranspose2d, type ConvTransposeConfig } from './conv.js';
export { dropPath, dropout, dropout2d } from './dropout.js';
export { Embedding } from './embedding.js';
export { GroupNorm, type GroupNormOptions } from './groupNorm.js';
export * as init from './init.js';
export { LayerNorm, type LayerNormOptions } from './layerNorm.js';
export { Linear } from './linear.js';
export * from './losses.js';
export { type EvaluationContext, type ForwardContext, type Layer, Module, type TrainingContext } from './module.js';
export { type AttentionInputs, MultiheadAttention, type MultiheadAttentionConfig } from './multiheadAttention.js';
export { Parameter } from './parameter.js';
export type { PerDimension } from './perDimension.js';
export * from './pooling.js';
export { Sequential, type SequentialStep } from './sequential.js';
export { type LoadStateOptions, type StateDictDifference, StateDictError } from './stateDict.js';
