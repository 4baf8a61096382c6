/**
 * Pretraining, evaluation and their parts as a library. The command line is a thin layer over it.
 * @module ssl
 */

export { loadRecipe, recipeNames } from './config/recipe.js';
export { configJsonSchema, parseConfig } from './config/parse.js';
export type { Config } from './config/schema.js';
export { ConfigError, DataError, RunError } from './errors.js';
export { openSource } from './data/sources/openSource.js';
export type { Source } from './data/sources/source.js';
export { compareArms, comparisonTable, type ArmRun } from './eval/compare.js';
export { evaluate, type EvaluateOptions } from './eval/evaluate.js';
export { EvaluationData, type EvaluationDataOptions } from './eval/evaluationData.js';
export { pairedTop1Difference } from './eval/intervals.js';
export { crossValidatedKnn, type CrossValidatedKnnOptions } from './eval/knn/crossValidate.js';
export type { KnnResult } from './eval/knn/knn.js';
export { featureJudge } from './eval/featureJudge.js';
export { formatReport } from './eval/formatReport.js';
export { exportEncoder } from './interop/exportEncoder.js';
export type { ExportFormat, FormatName } from './interop/formatNames.js';
export { importEncoder, type ImportChoice, type ImportedEncoder } from './interop/importEncoder.js';
export type { EncoderDiff } from './interop/fitWeights.js';
export { initEncoder } from './interop/initEncoder.js';
export { loadWeights, type LoadedWeights, type WeightsReport } from './interop/loadWeights.js';
export type { WeightChoice } from './interop/recognise.js';
export { loadEncoder, type LoadedEncoder } from './run/loadEncoder.js';
export { study, type StudyArm, type StudyOptions, type StudyResult } from './reproduce/study.js';
export { InterruptedError, pretrain } from './train/pretrain.js';
export type { FeatureJudge, PretrainOptions, PretrainProgress } from './train/pretrainOptions.js';
export { DivergedError } from './train/divergedError.js';
export { writePreview, type PreviewOptions } from './train/preview.js';
export type { EvalReport } from './protocol/report.js';
export type { FeatureFigure, FigureChange, NoFigure } from './protocol/init.js';
export type { MetricRow } from './protocol/metrics.js';
export type { PretrainSummary, RunManifest } from './protocol/run.js';
