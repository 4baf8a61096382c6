// Memory that this process and its children both see. Not for worker threads: those share a SharedArrayBuffer.

import { closeSync } from 'node:fs';
import { engine } from './native.js';

/** A mapped piece of shared memory. The buffer stays usable after `close`; its memory goes when nobody maps it any more. */
export interface SharedMapping {
  /** The memory. Views made with `new Int32Array(buffer)` may be used with Atomics, except `Atomics.wait`. */
  readonly buffer: ArrayBuffer;
  /** Closes the file descriptor. A second call does nothing. */
  close(): void;
}

/** Shared memory made here. */
export interface SharedMemory extends SharedMapping {
  /** Hand it to a child: `spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', memory.fd] })` makes it descriptor 3 there. */
  readonly fd: number;
}

/**
 * New shared memory of `bytes`, full of zeros, without a name in any file system. Linux only (memfd_create).
 * Throws OutOfMemoryError when the system refuses.
 */
export function createSharedMemory(bytes: number): SharedMemory {
  const fd = engine().createSharedFile(bytes);
  try {
    return { fd, ...mapSharedMemory(fd, bytes) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Maps shared memory that another process made, by the descriptor it handed on. Throws TorchError when the file is shorter than `bytes`. */
export function mapSharedMemory(fd: number, bytes: number): SharedMapping {
  const buffer = engine().mapSharedFile(fd, bytes);
  let isOpen = true;
  return {
    buffer,
    close() {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}
