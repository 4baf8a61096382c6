/** One encoder of an evaluation: its features, and every task on them. */
import type { Config } from '../config/schema.js';
import type { FeatureKind, TaskReports } from '../protocol/report.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import { runEncoderTasks, type EncoderTasksOptions } from './encoderTasks.js';
import type { EvaluationPart } from './evaluationData.js';
import type { FeatureCache } from './featureCache.js';
import { PhotoFeatures } from './photoFeatures.js';

/** What every encoder of an evaluation is asked. */
export interface EncoderQuestions extends Omit<EncoderTasksOptions, 'features'> {
  readonly kind: FeatureKind;
  readonly cache: FeatureCache;
  /** Ranges of the thetas. */
  readonly transform: Config['transform'];
  /** Where the encoder runs. */
  readonly device: Config['train']['device'];
}

/** An encoder's answers, and how many photos of each part could be read for them. */
export interface EncoderAnswers {
  readonly tasks: TaskReports;
  readonly numReadable: Readonly<Record<EvaluationPart['name'], number>>;
}

/** Asks a network, which stays on the device. Throws ConfigError and DataError for what the user can mend. */
export async function evaluateEncoder(
  network: FrozenNetwork,
  label: 'trained' | 'untrained',
  questions: EncoderQuestions,
): Promise<EncoderAnswers> {
  const { device, kind, data, cache, transform, settings, addSeconds, onProgress } = questions;
  for (const module of [network.encoder, network.adapter]) module.to(device);
  const features = new PhotoFeatures({
    ...{ network, label, kind, device, data, cache, transform, addSeconds },
    thetasPerImage: settings.r2.anglesPerImage,
    onProgress: (text, isLive) => onProgress(`${label}: ${text}`, isLive),
  });
  try {
    const tasks = await runEncoderTasks({ ...questions, features });
    return { tasks, numReadable: { train: features.numReadable(data.train), test: features.numReadable(data.test) } };
  } finally {
    features.dispose();
  }
}
