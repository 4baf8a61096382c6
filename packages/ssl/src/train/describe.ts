/** What a run says about itself to people: its header, and how long it will take. */
import { devices, memory, type DeviceMemoryStats, type MemoryStats } from '@halfway/torch';
import { peakLr } from '../config/peakLr.js';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { durationText } from '../duration.js';
import type { Objective } from '../objectives/objective.js';
import type { EngineFingerprint, RunManifest } from '../protocol/run.js';
import { accumulationText } from './accumulation.js';
import type { DerivedValues } from './derived.js';
import { headWarmupSteps } from './schedule.js';

/** Model, objective, data, optimizer and engine, a line each. */
export function headerText(runDir: string, config: Config, manifest: RunManifest, objective: Objective): string {
  const { model, train, optim } = config;
  const { engine, data, parameters } = manifest;
  const views = objective.views.map(({ name, sizePx }) => `${name} ${sizePx} px`).join(', ');
  const accumulation = accumulationText(config, objective);
  return [
    `run       ${runDir}, seed ${train.seed}, steps ${manifest.step} to ${train.steps}`,
    `model     ${encoderName(model)}, patch ${patchPx(model)} px, ${(parameters / 1e6).toFixed(2)} M parameters in training`,
    `objective ${config.objective}; ${taskText(config.recon)}`,
    `data      ${data.numImages} photos of ${data.paths.join(', ')}; views ${views}; batch ${train.batch}`,
    ...(data.numImages < train.batch ? [`few       ${fewPhotosText(data.numImages, train.batch)}`] : []),
    ...(config.init.file === undefined ? [] : [`start     ${startText(config)}`]),
    `optimizer ${optim.algorithm}, ${rateText(config)}, weight decay ${decayText(optim)}, clip ${clipText(optim)}`,
    ...(accumulation === undefined ? [] : [`step      ${accumulation}`]),
    `engine    libtorch ${engine.libtorch}, ${deviceText(engine)}, ${engine.threads} threads, ${precisionText(engine)}`,
  ].join('\n');
}

function fewPhotosText(numPhotos: number, batch: number): string {
  const times = Math.ceil(batch / numPhotos);
  return `a batch has photos up to ${times} times, which losses that compare images take for different ones; lower train.batch, or add photos`;
}

function taskText({ target, of, concat, intermediates, includeFinal, lambda, fill }: Config['recon']): string {
  if (target === 'none') return 'no task';
  const states = `${intermediates} states${includeFinal ? ' and the last' : ''}${concat === 'cross_attention' ? ' by cross-attention' : ''}`;
  const what = of === 'theta' ? 'regression of theta' : `reconstruction of ${states}`;
  return `${what}, ${target}, lambda ${lambda}, fill ${fill}`;
}

/** How an encoder from weights is trained. */
function startText(config: Config): string {
  const { init } = config;
  const held = headWarmupSteps(config);
  const rate = `lr ${shortNumber(init.lrMult * peakLr(config))} (init.lrMult ${init.lrMult})`;
  return `from ${init.file}; encoder held for ${held} steps while the rest learns, then at ${rate}`;
}

/** The peak rate as it is used, and where that is not `optim.lr`, what made it of that. */
function rateText(config: Config): string {
  const { lr, lrScaling } = config.optim;
  const peak = `lr ${shortNumber(peakLr(config))}`;
  return lrScaling === 'none' ? peak : `${peak} (optim.lr ${lr}, ${lrScaling})`;
}

function shortNumber(value: number): number {
  return Number(value.toPrecision(3));
}

function decayText({ weightDecay, weightDecayEnd }: Config['optim']): string {
  return weightDecayEnd === undefined ? `${weightDecay}` : `${weightDecay} to ${weightDecayEnd}`;
}

function clipText({ clipNorm, clipOver }: Config['optim']): string {
  return clipNorm === 0 ? 'none' : `${clipNorm} over each ${clipOver}`;
}

function deviceText({ device, cpuCapability }: EngineFingerprint): string {
  if (device !== 'cpu') return device;
  return `cpu ${cpuCapability}${devices().length > 1 ? ' (a GPU is here: --device cuda)' : ''}`;
}

function precisionText({ computeDtype, float32Precision }: EngineFingerprint): string {
  return `${computeDtype}, products of float32: ${float32Precision}`;
}

function encoderName({ kind, size, widthDim, depth, resnet }: Config['model']): string {
  if (kind === 'resnet18') return `ResNet-18 (${resnet.variant}, ${resnet.stem} stem)`;
  return size === 'custom' ? `ViT ${widthDim} x ${depth}` : `ViT-${size}`;
}

/** What follows from a configuration, a line each as comments of YAML; large numbers with their unit of a thousand, million ... */
export function derivedText(derived: DerivedValues): string {
  const lines = Object.entries(derived).flatMap(([name, value]: [string, DerivedValues[keyof DerivedValues]]) =>
    typeof value === 'object'
      ? Object.entries(value).map(([part, count]) => `# ${name}, ${part}: ${numberText(count)}`)
      : `${name}: ${typeof value === 'number' ? numberText(value) : value}`.split('\n').map((line) => `# ${line}`),
  );
  return ['# what follows from it', ...lines].join('\n');
}

const PREFIXES = ['', '', ' M', ' G', ' T', ' P', ' E'];

function numberText(value: number): string {
  const thousands = Math.min(PREFIXES.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3)));
  const exact = String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
  return thousands < 2 ? exact : `${exact} (${(value / 1000 ** thousands).toPrecision(3)}${PREFIXES[thousands]})`;
}

/** How long the rest takes and how much memory it needs, measured on the first steps. */
export function paceText(stepMs: number, stepsLeft: number, device: EngineFingerprint['device']): string {
  const [peakBytes, mostBytes] = device === 'cpu' ? ofCpu(memory.stats()) : ofGpu(memory.deviceStats(device));
  const memoryText = `${gigabytes(peakBytes)} GB of tensors at the peak, of ${gigabytes(mostBytes)} GB`;
  return `${stepMs.toFixed(0)} ms a step: about ${durationText((stepMs * stepsLeft) / 1000)} to go; ${memoryText}`;
}

function ofCpu({ peakBytes, budgetBytes }: MemoryStats): [peakBytes: number, mostBytes: number] {
  return [peakBytes, budgetBytes];
}

function ofGpu({ peakAllocatedBytes, totalBytes }: DeviceMemoryStats): [peakBytes: number, mostBytes: number] {
  return [peakAllocatedBytes, totalBytes];
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 0);
}
