/** RUN/run.json: what a run is and how it stands. Version 1. Other tools read it. */

import type { FeatureFigure, FigureChange } from './init.js';

export const RUN_VERSION = 1;

export type RunStatus = 'running' | 'interrupted' | 'failed' | 'finished';

export interface RunManifest {
  readonly version: typeof RUN_VERSION;
  readonly status: RunStatus;
  readonly step: number;
  readonly totalSteps: number;
  readonly recipe: string;
  readonly seed: number;
  readonly startedAt: string; // ISO 8601
  readonly updatedAt: string;
  readonly parameters: number;
  readonly engine: EngineFingerprint;
  readonly data: DataFingerprint;
  readonly configSha256?: string; // of config.yaml as the run wrote it; runs that began before it was noted have none
  readonly message?: string; // why it failed or stopped
}

/** What has to be equal for `--resume` to give the same bits (docs/architecture.md, "Same bits"). */
export interface EngineFingerprint {
  readonly libtorch: string;
  readonly cpuCapability: string;
  readonly threads: number;
  readonly computeDtype: 'float32' | 'bfloat16';
  readonly float32Precision: 'highest' | 'high' | 'medium';
  readonly device: 'cpu' | 'cuda';
}

export interface DataFingerprint {
  readonly paths: readonly string[];
  readonly numImages: number;
  readonly hash: string; // sha256 over ids and sizes
}

/** A figure of the features (protocol/init.ts) before and after, and in words whether the new weights are better. */
export interface InitSummary extends FigureChange {
  readonly file: string;
  readonly sha256: string;
  readonly figure: FeatureFigure['kind'];
  readonly before: number;
  readonly after: number;
  readonly sentence: string;
}

/** The last line of `halfway pretrain --json`. */
export interface PretrainSummary {
  readonly run: string;
  readonly steps: number;
  readonly seconds: number; // in steps, without logging, pictures and checkpoints
  readonly imagesPerSecond: number;
  readonly parameters: number;
  readonly final: Readonly<Record<string, number>>;
  /** Of a run that started from weights and measured them. */
  readonly init?: InitSummary;
}
