// @halfway/torch/setup: finds, installs, builds and examines the engine. Plain Node: it never loads libtorch into this process.

export { ensureAddonPath, findBuiltAddon, packageSources } from './addon.js';
export { type CacheFolder, type Env, cacheFolder, formatBytes } from './cacheFolder.js';
export type { BuiltAddon } from './compile.js';
export { type CpuFeatures, type Machine, memoryLimitBytes, readCpuFeatures } from './cpu.js';
export { type DoctorCheck, type DoctorReport, doctor } from './doctor.js';
export { doctorText } from './doctorText.js';
export { EngineNotFoundError, SetupError, type SetupFailure } from './errors.js';
export type { Libtorch } from './libtorch.js';
export { type Attempt, type Location, describeAttempts, locate } from './locate.js';
export { type SetupOptions, type SetupResult, setup } from './setup.js';
export { type SetupLog, streamLog } from './setupLog.js';
