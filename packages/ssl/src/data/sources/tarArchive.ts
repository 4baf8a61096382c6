/**
 * The members of a tar archive and where their bytes lie, found by reading headers only (512 bytes a member).
 *
 * ustar, pax (1 and 2) and GNU long names; sizes in octal or base 256. Compressed archives are refused: their members
 * cannot be read by offset. Source: POSIX.1-2001 pax, GNU tar manual "Basic Tar Format".
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DataError } from '../../errors.js';

/** A regular file in an archive. */
export interface TarMember {
  readonly name: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

const BLOCK = 512;
const MAX_EXTENSION_BYTES = 1 << 20; // a pax or long-name record is a path; more than this is a damaged size

/** What extended headers say about the member that follows. */
interface Extension {
  name?: string;
  sizeBytes?: number;
}

/**
 * Lists an archive's regular files in archive order.
 * @throws DataError when the file is not a tar archive, is compressed, is damaged or cut short.
 */
export function readTarMembers(path: string): TarMember[] {
  const fd = openSync(path, 'r');
  try {
    return new TarReader(fd, path).members();
  } finally {
    closeSync(fd);
  }
}

/** Reads `sizeBytes` bytes at `offsetBytes` of an open file, or fewer where the file ends. */
export function readRange(fd: number, offsetBytes: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let filled = 0;
  while (filled < sizeBytes) {
    const read = readSync(fd, bytes, filled, sizeBytes - filled, offsetBytes + filled);
    if (read === 0) return bytes.subarray(0, filled);
    filled += read;
  }
  return bytes;
}

class TarReader {
  private readonly fd: number;
  private readonly path: string;
  private readonly fileBytes: number;
  private readonly block = Buffer.alloc(BLOCK);

  constructor(fd: number, path: string) {
    this.fd = fd;
    this.path = path;
    this.fileBytes = fstatSync(fd).size;
  }

  members(): TarMember[] {
    const members: TarMember[] = [];
    let extension: Extension = {};
    let at = 0;
    for (;;) {
      if (at + BLOCK > this.fileBytes) throw this.cutShort(at);
      readSync(this.fd, this.block, 0, BLOCK, at);
      if (this.block.every((byte) => byte === 0)) return members;
      this.checkHeader(at);
      const type = String.fromCharCode(this.block[156] ?? 0);
      if (type === 'S')
        throw this.error('members must be stored whole, got a sparse file', 'make it again without --sparse');
      const sizeBytes = hasBody(type) ? (extension.sizeBytes ?? this.number(124, 12, at)) : 0;
      const bodyAt = at + BLOCK;
      if (bodyAt + sizeBytes > this.fileBytes) throw this.cutShort(at);
      if ('xLK'.includes(type)) {
        extension = { ...extension, ...this.extension(type, bodyAt, sizeBytes) };
      } else if (type !== 'g') {
        if ('0\x007'.includes(type))
          members.push({ name: extension.name ?? this.name(), offsetBytes: bodyAt, sizeBytes });
        extension = {};
      }
      at = bodyAt + Math.ceil(sizeBytes / BLOCK) * BLOCK;
    }
  }

  /** The header's checksum: the sum of its bytes with the checksum field read as spaces. */
  private checkHeader(at: number): void {
    let sum = 8 * 0x20;
    for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += this.block[i] ?? 0;
    const stated = parseInt(this.text(148, 8).trim(), 8);
    if (sum === stated) return;
    if (at === 0 && this.block[0] === 0x1f && this.block[1] === 0x8b) {
      throw this.error('tar shards must not be compressed, got gzip', 'unpack it with gunzip first');
    }
    const found = at === 0 ? 'something else' : `a damaged header at byte ${at}`;
    throw this.error(`a .tar must be a tar archive, got ${found}`, 'make or download it again');
  }

  private extension(type: string, bodyAt: number, sizeBytes: number): Extension {
    if (sizeBytes > MAX_EXTENSION_BYTES)
      throw this.error(`a name record must be short, got ${sizeBytes} bytes`, 'make it again');
    const body = readRange(this.fd, bodyAt, sizeBytes);
    if (type === 'L') return { name: body.toString('utf8').replace(/\0.*$/s, '') };
    return type === 'x' ? this.paxRecords(body) : {};
  }

  /** Records `<length> <key>=<value>\n`, length in decimal counting the whole record. */
  private paxRecords(body: Buffer): Extension {
    const extension: Extension = {};
    for (let at = 0; at < body.length;) {
      const space = body.indexOf(0x20, at);
      const length = space < 0 ? NaN : Number(body.toString('latin1', at, space));
      if (!Number.isInteger(length) || length <= space - at || at + length > body.length) {
        throw this.error('pax records must state their length, got a damaged one', 'make it again');
      }
      const record = body.toString('utf8', space + 1, at + length - 1);
      const equals = record.indexOf('=');
      const key = record.slice(0, equals);
      const value = record.slice(equals + 1);
      if (key === 'path') extension.name = value;
      else if (key === 'size') extension.sizeBytes = this.paxSize(value);
      else if (key.startsWith('GNU.sparse.'))
        throw this.error('members must be stored whole, got a sparse file', 'make it again without --sparse');
      at += length;
    }
    return extension;
  }

  private paxSize(value: string): number {
    if (/^\d{1,15}$/.test(value)) return Number(value);
    throw this.error(`a pax size must be a whole number, got ${JSON.stringify(value)}`, 'make it again');
  }

  private name(): string {
    const name = this.text(0, 100);
    const prefix = this.text(257, 6) === 'ustar' ? this.text(345, 155) : ''; // GNU's old magic has no prefix field
    return prefix === '' ? name : `${prefix}/${name}`;
  }

  private text(offset: number, length: number): string {
    const field = this.block.subarray(offset, offset + length);
    const end = field.indexOf(0);
    return field.toString('utf8', 0, end < 0 ? length : end);
  }

  /** Octal text, or base 256 when the first bit is set (sizes of 8 GiB and more). */
  private number(offset: number, length: number, at: number): number {
    const first = this.block[offset] ?? 0;
    if (first & 0x80) {
      let value = first & 0x7f;
      for (let i = 1; i < length; i++) value = value * 256 + (this.block[offset + i] ?? 0);
      return value;
    }
    const value = parseInt(this.text(offset, length).trim() || '0', 8);
    if (!(value >= 0))
      throw this.error(`sizes must be numbers, got a damaged header at byte ${at}`, 'make or download it again');
    return value;
  }

  private cutShort(at: number): DataError {
    return this.error(
      `an archive must be complete, got one that is cut short at byte ${this.fileBytes} (member header at ${at})`,
      'copy or download it again',
    );
  }

  private error(rule: string, whatToDo: string): DataError {
    return new DataError(`tar: ${rule} in ${this.path}; ${whatToDo}`, { path: this.path });
  }
}

/** Links, devices and folders have no body, whatever their size field says. */
function hasBody(type: string): boolean {
  return !'123456'.includes(type);
}
