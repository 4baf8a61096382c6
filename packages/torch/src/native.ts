// The compiled addon as TypeScript sees it: loaded at the first use, so that importing this package costs nothing and needs no
// libtorch. Only files of this folder may use it; everything else goes through Tensor.

import { EngineNotFoundError, engineError } from './errors.js';
import type { DeviceMemoryStats } from './memory.js';
import type { Float32Precision } from './precision.js';
import { ensureAddonPath } from './setup/addon.js';
import type { Scalar } from './values.js';

/** What a schema says of one argument. */
export interface ArgumentDescription {
  readonly name: string;
  readonly kind: ValueKind;
  readonly isList: boolean;
  /** Entries of the list may be left out, as in `Tensor?[]`. */
  readonly elementIsOptional: boolean;
  readonly isOptional: boolean;
  readonly isKeywordOnly: boolean;
  readonly isWritten: boolean;
  /** n of `int[n]`; 0: any length. */
  readonly listLength: number;
  readonly hasDefault: boolean;
}

/** What a schema says of one result. */
export interface ReturnDescription {
  readonly kind: ValueKind;
  readonly isList: boolean;
  /** Position of the argument that is returned, as in-place operators do; -1 for a new value. */
  readonly writtenArgument: number;
}

/** An operator as the dispatcher describes it. */
export interface OperatorDescription {
  readonly schema: string;
  readonly arguments: readonly ArgumentDescription[];
  readonly returns: readonly ReturnDescription[];
}

/** Types of schemas that have a counterpart in TypeScript. */
export type ValueKind =
  | 'Tensor'
  | 'Scalar'
  | 'int'
  | 'float'
  | 'bool'
  | 'str'
  | 'ScalarType'
  | 'Layout'
  | 'MemoryFormat'
  | 'Device'
  | 'Generator'
  | 'unsupported';

/** A value on its way to the addon; native/arguments.h says how each type is passed. */
export type Encoded = Scalar | string | null | undefined | readonly (Scalar | string | null | undefined)[];

/** The addon's functions. Tensors and generators are handles (numbers); lists are positions in the list buffer. */
export interface Engine {
  shareBuffers(lists: Float64Array, record: Float64Array): void;
  setErrorFactory(make: (kind: number, message: string, op: string) => Error): void;

  resolve(name: string, overload: string): number;
  call(id: number, ...operands: Encoded[]): number;
  takeTensor(): number;
  takeValue(): Scalar | string | null;
  describeOperator(id: number): OperatorDescription;
  operatorNames(): string[];

  fromBytes(bytes: Uint8Array, dtype: number, sizes: number, device: number): number;
  toBytes(handle: number): ArrayBuffer;
  copyBytes(handle: number, bytes: Uint8Array): void;
  item(handle: number): Scalar;
  dispose(handle: number): boolean;
  disposeMany(handles: number): void;
  charge(handle: number): void;
  isAlive(handle: number): boolean;
  describe(handle: number): void;
  describeStrides(handle: number): void;
  moveTo(handle: number, device: number): void;
  isContiguous(handle: number): boolean;
  alias(handle: number): number;
  liveTensors(): number;

  backward(handle: number, gradient: number, retainGraph: boolean, createGraph: boolean): void;
  grad(
    outputs: number,
    inputs: number,
    gradients: number,
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): number;
  gradOf(handle: number): number;
  setGrad(handle: number, gradient: number): void;
  requiresGrad(handle: number): boolean;
  requiresGrad_(handle: number, flag: boolean): void;
  isLeaf(handle: number): boolean;
  gradFunctionName(handle: number): string | null;
  setGradEnabled(flag: boolean): boolean;
  isGradEnabled(): boolean;
  enterInferenceMode(): void;
  leaveInferenceMode(): void;

  createGenerator(seed: bigint, device: number): number;
  seedGenerator(handle: number, seed: bigint): void;
  generatorState(handle: number): ArrayBuffer;
  setGeneratorState(handle: number, state: number): void;
  disposeGenerator(handle: number): boolean;

  adamwStep(
    params: number,
    grads: number,
    expAvgs: number,
    expAvgSqs: number,
    steps: number,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weightDecay: number,
    foundInf: number,
  ): void;
  sgdStep(
    params: number,
    grads: number,
    momentumBuffers: number,
    lr: number,
    momentum: number,
    dampening: number,
    weightDecay: number,
    nesterov: boolean,
    isFirstStep: boolean,
    foundInf: number,
  ): void;
  emaUpdate(averaged: number, source: number, momentum: number): void;
  gradNorm(tensors: number): number;
  clipGradNorm(params: number, maxNorm: number): number;
  allFinite(tensors: number): number;
  zeroGrad(params: number): void;

  setNumThreads(count: number): void;
  getNumThreads(): number;
  countLoopThreads(): number;
  liveBytes(): number;
  peakBytes(): number;
  budgetBytes(): number;
  cachedBytes(): number;
  emptyCache(): void;
  resetPeak(): void;
  setBudget(bytes: number): void;
  setFloat32MatmulPrecision(precision: Float32Precision): void;
  float32MatmulPrecision(): Float32Precision;
  setConvTf32(isAllowed: boolean): void;
  convTf32(): boolean;
  cpuCapability(): string;
  libtorchVersion(): string;

  deviceProblem(device: number): string | null;
  numGpus(): number;
  resolveDevice(device: number): number;
  synchronizeDevice(device: number): void;
  newStream(device: number): number;
  currentStream(device: number): number;
  exchangeStream(device: number, stream: number): number;
  isStreamDone(device: number, stream: number): boolean;
  synchronizeStream(device: number, stream: number): void;
  recordTensor(device: number, stream: number, handle: number): void;
  createEvent(device: number, isTimed: boolean): number;
  recordEvent(event: number, device: number, stream: number): void;
  blockStream(event: number, device: number, stream: number): void;
  isEventDone(event: number): boolean;
  synchronizeEvent(event: number): void;
  elapsedMs(start: number, end: number): number;
  disposeEvent(event: number): boolean;
  deviceMemory(device: number): DeviceMemoryStats;
  resetDevicePeak(device: number): void;
  emptyDeviceCache(device: number): void;

  createSharedFile(bytes: number): number;
  mapSharedFile(fileDescriptor: number, bytes: number): ArrayBuffer;
}

/** One tensor's description as the addon writes it: rank, dtype, device, sizes (native/records.h). */
export const record = new Float64Array(3 + 64);

let loaded: Engine | undefined;

/**
 * The addon. `HALFWAY_ADDON=/path/to/file.node` names one to use instead of the cached build (for work on the addon itself).
 * Throws EngineNotFoundError with the next command when it is not there.
 */
export function engine(): Engine {
  return loaded ?? load();
}

function load(): Engine {
  const chosen = process.env['HALFWAY_ADDON'];
  const path = chosen === undefined || chosen === '' ? ensureAddonPath() : chosen;
  const addonModule: { exports: Engine } = { exports: Object.create(null) as Engine };
  try {
    withShortSpins(() => process.dlopen(addonModule, path));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EngineNotFoundError(`engine: ${path} could not be loaded: ${reason}; run: npx halfway-torch doctor`, {
      cause: error,
    });
  }
  const addon = addonModule.exports;
  addon.setErrorFactory(engineError);
  addon.shareBuffers(new Float64Array(1), record);
  loaded = addon;
  return addon;
}

// After a parallel loop, libgomp's threads spin for 300,000 turns in case another follows. Where other programs want the cores, a thread that
// spins keeps the one it waits for from running: a training step of 0.11 s on 2 idle cores took 3.0 s beside one busy program. Ten thousand
// turns (some tenths of a millisecond) bridge the gap between most operators: 0.40 s there, and idle 1 to 7 % over the time of long spins (docs/decisions/0002).
// libgomp reads the variable once, when it is loaded; a user's own setting stands.
function withShortSpins(load: () => void): void {
  if (process.env['GOMP_SPINCOUNT'] !== undefined || process.env['OMP_WAIT_POLICY'] !== undefined) {
    load();
    return;
  }
  process.env['GOMP_SPINCOUNT'] = '10000';
  try {
    load();
  } finally {
    delete process.env['GOMP_SPINCOUNT'];
  }
}
