/// <reference lib="esnext.disposable" preserve="true" />
// A source of random numbers that is handed on by name. Nothing in this package draws from a hidden one unless a caller leaves it out.

import { type Device, deviceNumber, dtypeNumber } from './dtype.js';
import { TorchError } from './errors.js';
import { engine } from './native.js';
import { onlyList } from './operands.js';

const unreachable = new FinalizationRegistry<number>((handle) => engine().disposeGenerator(handle));

/** PyTorch's generator: the same seed gives the same numbers as `torch.Generator().manual_seed(seed)`. */
export class Generator {
  /** @internal */
  readonly generatorHandle: number;

  /** Use `generator(seed)`. */
  constructor(handle: number) {
    this.generatorHandle = handle;
    unreachable.register(this, handle);
  }

  /** Starts again from a seed, an integer in [0, 2^64). */
  manualSeed(seed: number | bigint): this {
    engine().seedGenerator(this.generatorHandle, wholeSeed(seed));
    return this;
  }

  /** The state as bytes; the same as PyTorch's `get_state()`. */
  getState(): Uint8Array {
    return new Uint8Array(engine().generatorState(this.generatorHandle));
  }

  /** Goes on from a state that `getState` returned. Throws TorchError when the bytes are no state. */
  setState(state: Uint8Array): this {
    const addon = engine();
    const handle = addon.fromBytes(state, dtypeNumber('uint8'), onlyList([state.length]), 0);
    try {
      addon.setGeneratorState(this.generatorHandle, handle);
    } finally {
      addon.dispose(handle);
    }
    return this;
  }

  /** Ends the generator; using it afterwards is a TensorDisposedError. */
  dispose(): void {
    engine().disposeGenerator(this.generatorHandle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A new generator. Throws TorchError unless the seed is an integer in [0, 2^64), DeviceError when the device is not there.
 * @example const rng = generator(7); const noise = randn([2, 3], { generator: rng });
 */
export function generator(seed: number | bigint, device: Device = 'cpu'): Generator {
  return new Generator(engine().createGenerator(wholeSeed(seed), deviceNumber(device)));
}

function wholeSeed(seed: number | bigint): bigint {
  if (typeof seed === 'bigint' && seed >= 0n && seed < 1n << 64n) return seed;
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return BigInt(seed);
  throw new TorchError(`generator: the seed must be an integer in [0, 2^64), got ${String(seed)}`);
}
