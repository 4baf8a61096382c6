// A reader for the few facts about a shared library that decide whether it can be loaded: is the file whole, what does it need,
// where does it look. Not a general ELF parser: 64-bit little-endian only. Source: System V ABI, "Dynamic Section".

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** What a shared library needs to load. */
export interface SharedLibrary {
  /** Names of the libraries it needs (DT_NEEDED). */
  readonly needed: readonly string[];
  /** Folders it looks in (DT_RPATH, DT_RUNPATH) as written, `$ORIGIN` included. */
  readonly searchPath: readonly string[];
}

const header = { size: 64, programOffset: 32, programEntrySize: 54, programCount: 56 } as const;
const segmentType = { load: 1, dynamic: 2 } as const;
const tag = { needed: 1, stringTable: 5, stringTableSize: 10, rpath: 15, runpath: 29 } as const;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileBytes: number;
}

/** Reads a library's needs. Throws Error when the file is no 64-bit ELF file or is cut short. */
export function readSharedLibrary(path: string): SharedLibrary {
  return withFile(path, (file) => {
    const { entries, stringTable } = readDynamic(file, path);
    const text = (offset: number) => readString(file, stringTable + offset);
    const valuesOf = (wanted: number) =>
      entries.filter((entry) => entry.tag === wanted).map((entry) => text(entry.value));
    return {
      needed: valuesOf(tag.needed),
      searchPath: [...valuesOf(tag.rpath), ...valuesOf(tag.runpath)].flatMap((paths) => paths.split(':')),
    };
  });
}

/** The whole dynamic string table (symbol names) as Latin-1 text, names divided by NUL. */
export function readDynamicStrings(path: string): string {
  return withFile(path, (file) => {
    const { entries, stringTable } = readDynamic(file, path);
    const size = entries.find((entry) => entry.tag === tag.stringTableSize)?.value ?? 0;
    return readBytes(file, stringTable, size).toString('latin1');
  });
}

function readDynamic(file: number, path: string): { entries: { tag: number; value: number }[]; stringTable: number } {
  const head = readBytes(file, 0, header.size);
  if (head.length < header.size || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) {
    throw new Error(`${path} is not a 64-bit shared library`);
  }
  const segments = readSegments(file, head);
  const endBytes = Math.max(0, ...segments.map((segment) => segment.offset + segment.fileBytes));
  const { size } = fstatSync(file);
  if (size < endBytes) throw new Error(`${path} is cut short: ${String(size)} of at least ${String(endBytes)} bytes`);

  const dynamic = segments.find((segment) => segment.type === segmentType.dynamic);
  if (dynamic === undefined) throw new Error(`${path} has no dynamic section`);
  const bytes = readBytes(file, dynamic.offset, dynamic.fileBytes);
  const entries = [];
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    entries.push({ tag: Number(bytes.readBigInt64LE(at)), value: Number(bytes.readBigUInt64LE(at + 8)) });
  }
  const address = entries.find((entry) => entry.tag === tag.stringTable)?.value;
  const holder = segments.find(
    (segment) =>
      segment.type === segmentType.load &&
      address !== undefined &&
      address >= segment.address &&
      address < segment.address + segment.fileBytes,
  );
  if (address === undefined || holder === undefined) throw new Error(`${path} has no string table`);
  return { entries, stringTable: address - holder.address + holder.offset };
}

function readSegments(file: number, head: Buffer): Segment[] {
  const entryBytes = head.readUInt16LE(header.programEntrySize);
  const count = head.readUInt16LE(header.programCount);
  const table = readBytes(file, Number(head.readBigUInt64LE(header.programOffset)), entryBytes * count);
  const segments: Segment[] = [];
  for (let at = 0; at + 56 <= table.length; at += entryBytes) {
    segments.push({
      type: table.readUInt32LE(at),
      offset: Number(table.readBigUInt64LE(at + 8)),
      address: Number(table.readBigUInt64LE(at + 16)),
      fileBytes: Number(table.readBigUInt64LE(at + 32)),
    });
  }
  return segments;
}

function readString(file: number, offset: number): string {
  // Library names and search paths are short; 4 kB is the kernel's own limit for a path.
  const bytes = readBytes(file, offset, 4096);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

function readBytes(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
}

function withFile<T>(path: string, read: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return read(file);
  } finally {
    closeSync(file);
  }
}
