/// <reference lib="esnext.disposable" preserve="true" />
// Streams: queues of work on a device. What is in one stream is done in order; what is in two may be done at the same time, unless one
// waits for an event of the other. Every device has a stream that operators use; most programs need no other.

import { resolveDevice } from './device.js';
import { type Device, deviceNumber } from './dtype.js';
import { engine } from './native.js';
import { refuseUnfinished } from './scope.js';
import type { Tensor } from './tensor.js';

/**
 * A stream of a device, as PyTorch's `torch.Stream`. On the CPU, where an operator is done when it returns, there is one, always empty.
 * @example
 * const copies = new DeviceStream('cuda');
 * const next = copies.run(() => pinned.to({ device: 'cuda', nonBlocking: true }));
 * DeviceStream.current('cuda').waitStream(copies);
 */
export class DeviceStream {
  readonly device: Device;
  /** Its number on the device; 0 is the one that operators use unless told otherwise. */
  readonly id: number;

  /** A stream beside the current one, of a pool (CUDA: of 32, in turn). Throws DeviceError when the device cannot be used. */
  constructor(device: Device, id?: number) {
    this.device = resolveDevice(device);
    this.id = id ?? engine().newStream(deviceNumber(this.device));
  }

  /** The stream that operators on the device use now. */
  static current(device: Device): DeviceStream {
    return new DeviceStream(device, engine().currentStream(deviceNumber(resolveDevice(device))));
  }

  /** Runs `fn` with this as the current stream of its device. Synchronous: it ends when the work is queued, not when it is done. */
  run<T>(fn: () => T): T {
    const before = engine().exchangeStream(deviceNumber(this.device), this.id);
    try {
      const result = fn();
      refuseUnfinished('DeviceStream.run', result);
      return result;
    } finally {
      engine().exchangeStream(deviceNumber(this.device), before);
    }
  }

  /** Whether all its work is done. */
  query(): boolean {
    return engine().isStreamDone(deviceNumber(this.device), this.id);
  }

  /** Waits until all its work is done. */
  synchronize(): void {
    engine().synchronizeStream(deviceNumber(this.device), this.id);
  }

  /** Marks the end of the work that it has now. Throws TorchError on the CPU, which has no events. */
  recordEvent(event = new DeviceEvent(this.device)): DeviceEvent {
    engine().recordEvent(event.eventHandle, deviceNumber(this.device), this.id);
    return event;
  }

  /** Its work from now on waits for an event; the program goes on. */
  waitEvent(event: DeviceEvent): void {
    engine().blockStream(event.eventHandle, deviceNumber(this.device), this.id);
  }

  /** Its work from now on waits for what another stream has now. */
  waitStream(other: DeviceStream): void {
    const event = other.recordEvent();
    this.waitEvent(event);
    event.dispose();
  }

  /**
   * Says that this stream uses a tensor that was made on another: once the tensor ends, its memory goes to no other before what this
   * stream has now is done. PyTorch's `Tensor.record_stream`.
   */
  recordTensor(tensor: Tensor): void {
    engine().recordTensor(deviceNumber(this.device), this.id, tensor.handle);
  }
}

const unreachable = new FinalizationRegistry<number>((handle) => engine().disposeEvent(handle));

/**
 * A mark in the work of a stream, as PyTorch's `torch.Event`.
 * @example
 * const [start, end] = [new DeviceEvent('cuda', { enableTiming: true }), new DeviceEvent('cuda', { enableTiming: true })];
 */
export class DeviceEvent {
  /** @internal */
  readonly eventHandle: number;

  /** Throws DeviceError when the device cannot be used. */
  constructor(device: Device, { enableTiming = false }: { readonly enableTiming?: boolean } = {}) {
    this.eventHandle = engine().createEvent(deviceNumber(resolveDevice(device)), enableTiming);
    unreachable.register(this, this.eventHandle);
  }

  /** Whether the work before it is done; true also where it was never recorded. */
  query(): boolean {
    return engine().isEventDone(this.eventHandle);
  }

  /** Waits until the work before it is done. */
  synchronize(): void {
    engine().synchronizeEvent(this.eventHandle);
  }

  /** Milliseconds from this event to `end`. Throws TorchError unless both were made for timing, and are recorded and done. */
  elapsedTime(end: DeviceEvent): number {
    return engine().elapsedMs(this.eventHandle, end.eventHandle);
  }

  /** Ends the event; using it afterwards is a TensorDisposedError. */
  dispose(): void {
    engine().disposeEvent(this.eventHandle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
