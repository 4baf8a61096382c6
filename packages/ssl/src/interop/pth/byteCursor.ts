/** Bytes of an open file from front to back: nobody knows how long a pickle is before it has been read. */
import { readSync } from 'node:fs';

const PIECE_BYTES = 2 ** 16;
const NEWLINE = 10;

export class ByteCursor {
  readonly #file: number;
  readonly #endBytes: number;
  #piece = Buffer.alloc(0);
  /** Of the next byte, in the piece. */
  #at = 0;
  /** Of the piece's end, in the file. */
  #readBytes: number;

  /** Reads from `startBytes` up to, not including, `endBytes`. */
  constructor(file: number, startBytes: number, endBytes: number) {
    this.#file = file;
    this.#readBytes = startBytes;
    this.#endBytes = endBytes;
  }

  /** Where in the file the next byte lies. */
  get positionBytes(): number {
    return this.#readBytes - (this.#piece.length - this.#at);
  }

  /** The next byte. Throws RangeError at the end. */
  byte(): number {
    this.#require(1);
    const byte = this.#piece.readUInt8(this.#at);
    this.#at += 1;
    return byte;
  }

  /** The next bytes. Throws RangeError when there are fewer. */
  take(sizeBytes: number): Buffer {
    this.#require(sizeBytes);
    const taken = this.#piece.subarray(this.#at, this.#at + sizeBytes);
    this.#at += sizeBytes;
    return taken;
  }

  /** The text up to the next newline, which is taken too. Throws RangeError when there is none in the next `maxBytes`. */
  line(maxBytes: number): string {
    const bytes: number[] = [];
    for (let byte = this.byte(); byte !== NEWLINE; byte = this.byte()) {
      bytes.push(byte);
      if (bytes.length > maxBytes) throw new RangeError(`a name of more than ${maxBytes} bytes`);
    }
    return Buffer.from(bytes).toString();
  }

  #require(sizeBytes: number): void {
    if (this.#at + sizeBytes <= this.#piece.length) return;
    if (this.positionBytes + sizeBytes > this.#endBytes) {
      throw new RangeError(`${sizeBytes} bytes at ${this.positionBytes}, which reach beyond ${this.#endBytes}`);
    }
    this.#refill(sizeBytes);
  }

  /** Keeps what is left of the piece and reads on, at least to `sizeBytes` in all. */
  #refill(sizeBytes: number): void {
    const left = this.#piece.subarray(this.#at);
    const wanted = Math.min(Math.max(sizeBytes - left.length, PIECE_BYTES), this.#endBytes - this.#readBytes);
    const next = Buffer.allocUnsafe(left.length + wanted);
    left.copy(next);
    for (let done = left.length; done < next.length;) {
      const count = readSync(this.#file, next, done, next.length - done, this.#readBytes);
      if (count === 0) throw new RangeError(`bytes at ${this.#readBytes}, where the file ends`);
      done += count;
      this.#readBytes += count;
    }
    this.#piece = next;
    this.#at = 0;
  }
}
