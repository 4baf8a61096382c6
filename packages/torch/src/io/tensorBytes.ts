// Values of tensors from and to an open file, piece by piece: no tensor is ever whole in JavaScript's memory too, and positions may lie
// beyond 4 GiB.

import { readSync, writeSync } from 'node:fs';
import { noGrad } from '../autograd.js';
import { copyBytes } from '../creation.js';
import { elementBytes } from '../dtype.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

// Small enough to stay in the processor's cache between the file and the tensor.
const PIECE_BYTES = 2 ** 20;

/**
 * Overwrites a contiguous CPU tensor with the bytes that begin at a position of a file.
 * Throws RangeError when the file ends before, or when a bool is neither 0 nor 1.
 */
export function readTensorBytes(file: number, positionBytes: number, tensor: Tensor, pieceBytes = PIECE_BYTES): void {
  const elementSize = elementBytes(tensor.dtype);
  const buffer = Buffer.allocUnsafe(Math.min(tensor.numel * elementSize, Math.max(pieceBytes, elementSize)));
  let position = positionBytes;
  forEachPiece(tensor, pieceBytes, (piece, sizeBytes) => {
    const bytes = buffer.subarray(0, sizeBytes);
    fill(bytes, file, position);
    // Another value is undefined behaviour in the kernels.
    if (tensor.dtype === 'bool' && bytes.some((byte) => byte > 1)) throw new RangeError('a bool must be 0 or 1');
    copyBytes(piece, bytes);
    position += sizeBytes;
  });
}

/** Appends the bytes of a tensor, in row-major order. */
export function writeTensorBytes(file: number, tensor: Tensor, pieceBytes = PIECE_BYTES): void {
  forEachPiece(tensor, pieceBytes, (piece) => {
    writeAll(file, piece.toBytes());
  });
}

/** The bytes from a position on. Throws RangeError when the file ends before. */
export function readRange(file: number, positionBytes: number, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  fill(bytes, file, positionBytes);
  return bytes;
}

function fill(bytes: Uint8Array, file: number, positionBytes: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = readSync(file, bytes, done, bytes.length - done, positionBytes + done);
    if (count === 0) {
      throw new RangeError(`the file must have ${positionBytes + bytes.length} bytes, got ${positionBytes + done}`);
    }
    done += count;
  }
}

/** Appends bytes. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done);
}

function forEachPiece(tensor: Tensor, pieceBytes: number, visit: (piece: Tensor, sizeBytes: number) => void): void {
  scope(() =>
    noGrad(() => {
      const flat = tensor.reshape([-1]); // a view where the tensor is contiguous
      const step = Math.max(1, Math.floor(pieceBytes / elementBytes(tensor.dtype)));
      for (let start = 0; start < tensor.numel; start += step) {
        const length = Math.min(step, tensor.numel - start);
        scope(() => visit(flat.narrow(0, start, length), length * elementBytes(tensor.dtype)));
      }
    }),
  );
}
