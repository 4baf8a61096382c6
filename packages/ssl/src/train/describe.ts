/** What a run says about itself to people: its header, and how long it will take. */
import { memory } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { durationText } from '../duration.js';
import type { Objective } from '../objectives/objective.js';
import type { RunManifest } from '../protocol/run.js';

/** Model, objective, data, optimizer and engine, a line each. */
export function headerText(runDir: string, config: Config, manifest: RunManifest, objective: Objective): string {
  const { model, train, recon, optim } = config;
  const { engine, data, parameters } = manifest;
  const views = objective.views.map(({ name, sizePx }) => `${name} ${sizePx} px`).join(', ');
  const shape = model.size === 'custom' ? `ViT ${model.widthDim} x ${model.depth}` : `ViT-${model.size}`;
  const task =
    recon.target === 'none'
      ? 'no task'
      : `${recon.target}, ${recon.intermediates} states, lambda ${recon.lambda}, fill ${recon.fill}`;
  return [
    `run       ${runDir}, seed ${train.seed}, steps ${manifest.step} to ${train.steps}`,
    `model     ${shape}, patch ${model.patch}, ${(parameters / 1e6).toFixed(2)} M parameters in training`,
    `objective ${config.objective}; reconstruction: ${task}`,
    `data      ${data.numImages} photos of ${data.paths.join(', ')}; views ${views}; batch ${train.batch}`,
    `optimizer AdamW, lr ${optim.lr}, weight decay ${optim.weightDecay}, clip ${optim.clipNorm || 'none'}`,
    `engine    libtorch ${engine.libtorch}, ${engine.device} ${engine.cpuCapability}, ${engine.threads} threads, ${engine.computeDtype}`,
  ].join('\n');
}

/** How long the rest takes and how much memory it needs, measured on the first steps. */
export function paceText(stepMs: number, stepsLeft: number): string {
  const { peakBytes, budgetBytes } = memory.stats();
  const memoryText = `${gigabytes(peakBytes)} GB of tensors at the peak, of ${gigabytes(budgetBytes)} GB`;
  return `${stepMs.toFixed(0)} ms a step: about ${durationText((stepMs * stepsLeft) / 1000)} to go; ${memoryText}`;
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 0);
}
