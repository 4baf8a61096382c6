import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutOfMemoryError, TensorDisposedError, memory, tensor, zeros } from '../index.js';
import { fixturePath } from '../testing/fixture.case.js';
import { expectNoLeak } from '../testing/index.js';
import { SafetensorsError, loadSafetensors, saveSafetensors } from './index.js';
import { writeHeader } from './safetensorsHeader.js';
import { readTensorBytes, writeTensorBytes } from './tensorBytes.js';

const folder = mkdtempSync(join(tmpdir(), 'halfway-io-'));
afterAll(() => rmSync(folder, { recursive: true }));
const pathOf = (name: string): string => join(folder, `${name}.safetensors`);

describe('a file of the reference library', () => {
  const { tensors, metadata } = loadSafetensors(fixturePath('tensorFiles'));
  const valuesOf = (name: string): unknown => tensors.get(name)?.toArray();

  it('is read with its dtypes, shapes and values', () => {
    expect(metadata).toEqual({ title: 'a "file" \u00e9' });
    expect(tensors.size).toBe(18);
    for (const name of [
      'float64',
      'float32',
      'float16',
      'bfloat16',
      'int64',
      'int32',
      'int16',
      'int8',
      'uint8',
      'bool',
    ]) {
      expect(tensors.get(name)?.dtype).toBe(name);
    }
    expect(valuesOf('float64')).toEqual([
      [1 / 3, -1e300],
      [5e-324, 0],
    ]);
    expect(valuesOf('float32')).toEqual([[Math.fround(1 / 3), -2.5, Math.fround(3e38)]]);
    expect(valuesOf('float16')).toEqual([0.0999755859375, -65504, 5.960464477539063e-8]);
    expect(tensors.get('bfloat16')?.shape).toEqual([3, 1]);
    expect(tensors.get('int64')?.toTypedArray()).toEqual(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 0n));
    expect(valuesOf('int32')).toEqual([2147483647, -2147483648]);
    expect(valuesOf('int16')).toEqual([32767, -32768]);
    expect(valuesOf('int8')).toEqual([127, -128, 5]);
    expect(valuesOf('uint8')).toEqual([0, 255, 7]);
    expect(valuesOf('bool')).toEqual([1, 0, 1, 1, 0]);
    expect(tensors.get('complex64')?.viewAsReal().toArray()).toEqual([
      [1, 2],
      [-0, -0.5],
    ]);
    expect([valuesOf('scalar'), tensors.get('scalar')?.shape]).toEqual([4.25, []]);
    expect(tensors.get('empty')?.shape).toEqual([0, 3]);
    expect(valuesOf('blocks.9.weight')).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(valuesOf('quote " backslash \\ \u00e9 \u8a9e')).toEqual([1]);
  });

  it('is written again to the same bytes, in whatever order the tensors are given', () => {
    for (const order of [[...tensors], [...tensors].reverse()]) {
      saveSafetensors(pathOf('again'), new Map(order), metadata);
      expect(readFileSync(pathOf('again')).equals(readFileSync(fixturePath('tensorFiles')))).toBe(true);
    }
  });
});

describe('saveSafetensors', () => {
  it('writes views in row-major order and leaves weights as they are', () => {
    const weight = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).requiresGrad_();
    saveSafetensors(
      pathOf('views'),
      new Map([
        ['t', weight.t()],
        ['row', weight.select(0, 1)],
        ['weight', weight],
      ]),
    );
    const { tensors } = loadSafetensors(pathOf('views'));
    expect(tensors.get('t')?.toArray()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
    expect(tensors.get('row')?.toArray()).toEqual([4, 5, 6]);
    expect([weight.requiresGrad, tensors.get('weight')?.requiresGrad]).toEqual([true, false]);
  });

  it('aligns the data to 8 bytes and writes an empty map', () => {
    for (const length of [1, 2, 3, 4, 5, 6, 7, 8]) {
      saveSafetensors(pathOf('aligned'), new Map([['n'.repeat(length), zeros([2])]]));
      const bytes = readFileSync(pathOf('aligned'));
      expect(Number(bytes.readBigUInt64LE(0)) % 8).toBe(0);
      expect(bytes.length).toBe(8 + Number(bytes.readBigUInt64LE(0)) + 8);
    }
    saveSafetensors(pathOf('aligned'), new Map());
    expect(loadSafetensors(pathOf('aligned'))).toEqual({ tensors: new Map(), metadata: {} });
  });

  it('a failed write leaves the old file and nothing beside it', () => {
    const path = pathOf('atomic');
    saveSafetensors(path, new Map([['x', tensor([1])]]));
    const before = readFileSync(path);
    const filesBefore = readdirSync(folder);
    const ended = zeros([4]);
    const state = new Map([
      ['x', zeros([1 << 16])],
      ['y', ended],
    ]); // x is written before y fails
    ended.dispose();
    expect(() => saveSafetensors(path, state)).toThrow(TensorDisposedError);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(filesBefore);
    expect(() => saveSafetensors(join(folder, 'no', 'file'), state)).toThrow(/ENOENT/);
  });

  it('refuses what the format cannot hold', () => {
    const path = pathOf('refused');
    const save =
      (name: string, value = zeros([1])) =>
      () =>
        saveSafetensors(path, new Map([[name, value]]));
    expect(save('x', zeros([1], { dtype: 'complex128' }))).toThrow(
      `${path}: x: dtype must be one of int64 float64 complex64 float32 int32 bfloat16 float16 int16 int8 uint8 bool, got complex128; convert it first`,
    );
    expect(save('__metadata__')).toThrow(`${path}: no tensor may be named __metadata__; rename it`);
    expect(save('half \ud800')).toThrow(/a name must be Unicode text, got "half \\ud800"/);
    expect(existsSync(path)).toBe(false);
  });

  it('neither reading nor writing leaves tensors behind', () => {
    const state = new Map([['x', zeros([300])]]);
    expectNoLeak(() => {
      saveSafetensors(pathOf('leak'), state);
      for (const loaded of loadSafetensors(pathOf('leak')).tensors.values()) loaded.dispose();
    });
  });
});

describe('loadSafetensors', () => {
  const x = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const described = (entry: object): string => JSON.stringify({ x: { ...x, ...entry } });
  // What the header says, the number of data bytes, and what the error has to name.
  const cases: readonly (readonly [rule: string, header: string, dataBytes: number, message: RegExp])[] = [
    ['JSON', '{"x": ', 8, /the header must be JSON, got /],
    ['an object', '[]', 0, /the header must be a JSON object, got \[\]/],
    ['UTF-8', '{"\xff":1}', 0, /the header must be JSON, got .*utf-8/],
    ['a name once', `{"x":${JSON.stringify(x)},"x":${JSON.stringify(x)}}`, 8, /got the key "x" twice/],
    [
      'a name once, escaped',
      `{"x":${JSON.stringify(x)},"\\u0078":${JSON.stringify(x)}}`,
      8,
      /got the key "\\u0078" twice/,
    ],
    [
      'a field once',
      '{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
      8,
      /the key "dtype" twice/,
    ],
    ['flat', '{"x":[[[1]]]}', 0, /got values nested deeper than 3 levels/],
    ['an entry', '{"x":3}', 0, /x must be described by an object, got 3/],
    ['metadata of strings', '{"__metadata__":{"a":1}}', 0, /__metadata__ must be an object of strings, got \{"a":1\}/],
    ['a dtype', described({ dtype: 'F8_E4M3' }), 8, /x: dtype must be one of I64 .* BOOL, got "F8_E4M3"/],
    ['no dtype', described({ dtype: undefined }), 8, /x: dtype must be one of .*, got nothing/],
    ['whole sizes', described({ shape: [2.5] }), 8, /x: shape must be at most 64 whole numbers from 0, got \[2.5\]/],
    ['sizes from 0', described({ shape: [-2] }), 8, /got \[-2\]/],
    ['64 dimensions', described({ shape: Array.from({ length: 65 }, () => 1) }), 8, /at most 64 whole numbers/],
    ['sizes below 2^53', described({ shape: [1e300] }), 8, /shape must be/],
    ['a product that fits', described({ shape: [2 ** 40, 2 ** 40] }), 8, /must have 4\.8\d+e\+24 bytes, got 8/],
    [
      'a storage that fits',
      described({ shape: [...Array.from({ length: 21 }, () => 2 ** 52), 0], data_offsets: [0, 0] }),
      0,
      /x must be readable/,
    ],
    ['two offsets', described({ data_offsets: [0] }), 8, /x: data_offsets must be two whole numbers, got \[0\]/],
    ['offsets in order', described({ data_offsets: [8, 0] }), 8, /must have 8 bytes, got -8/],
    ['size of the shape', described({ shape: [3] }), 8, /x: \[3\] of float32 must have 12 bytes, got 8/],
    ['no hole', described({ data_offsets: [8, 16] }), 16, /x must begin where the tensor before it ends \(0\), got 8/],
    ['no overlap', JSON.stringify({ x, y: { ...x, data_offsets: [4, 12] } }), 12, /y must begin .* \(8\), got 4/],
    ['all data', described({}), 7, /the tensors must fill the file's 7 data bytes, got 8; the file may be truncated/],
    ['no more data', described({}), 9, /must fill the file's 9 data bytes, got 8/],
    ['bools of 0 and 1', described({ dtype: 'BOOL', shape: [8] }), 8, /x must be readable, got: a bool must be 0 or 1/],
  ];

  it.each(cases)('asks for %s', (_rule, header, dataBytes, message) => {
    const path = pathOf('broken');
    const json = Buffer.from(header, 'latin1');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes, 2)]));
    const before = memory.stats().liveTensors;
    expect(() => loadSafetensors(path)).toThrow(SafetensorsError);
    expect(() => loadSafetensors(path)).toThrow(message);
    expect(() => loadSafetensors(path)).toThrow(path);
    expect(memory.stats().liveTensors).toBe(before);
  });

  it('reads the tensors asked for, in the order of the file, and names those that it does not have', () => {
    const path = pathOf('chosen');
    saveSafetensors(path, new Map(['a', 'b', 'c'].map((name, at) => [name, tensor([at])])), { format: 'pt' });
    const { tensors, metadata } = loadSafetensors(path, { names: ['c', 'a'] });
    expect(Array.from(tensors, ([name, value]) => [name, value.item()])).toEqual([
      ['a', 0],
      ['c', 2],
    ]);
    expect(metadata).toEqual({ format: 'pt' });
    expect(loadSafetensors(path, { names: [] }).tensors.size).toBe(0);
    expect(() => loadSafetensors(path, { names: ['a', 'x', 'y'] })).toThrow(
      `${path}: must have the tensors x, y, got a, b, c`,
    );
  });

  it('says so when there is no file, a folder, or no header', () => {
    expect(() => loadSafetensors(pathOf('none'))).toThrow(`${pathOf('none')}: must be an existing file`);
    expect(() => loadSafetensors(folder)).toThrow(`${folder}: must be an existing file`);
    const path = pathOf('short');
    for (const [bytes, message] of [
      [Buffer.alloc(0), 'a file must have at least 8 bytes, got 0; it may be truncated'],
      [Buffer.from('PK\x03\x04 no tensors'), 'got 2337207815413910352; it is truncated or no safetensors file'],
      [
        Buffer.from([200, 0, 0, 0, 0, 0, 0, 0, 123]),
        'the header must fit the file (9 bytes) and 100000000 bytes, got 200',
      ],
    ] as const) {
      writeFileSync(path, bytes);
      expect(() => loadSafetensors(path)).toThrow(message);
    }
  });

  it('refuses a header beyond 100 MB without reading it', () => {
    const path = pathOf('sparse');
    const file = openSync(path, 'w');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(100_000_001n);
    writeSync(file, length);
    ftruncateSync(file, 200_000_000); // takes no room on the disk
    closeSync(file);
    expect(() => loadSafetensors(path)).toThrow(/must fit .* and 100000000 bytes, got 100000001/);
    rmSync(path);
  });
});

describe('a file larger than 4 GiB', () => {
  const path = pathOf('large');
  const values = Float32Array.of(1.5, -2.5, 3.5);
  // The first tensor is a hole: no disk has to hold it.
  const header = writeHeader(
    path,
    [
      { name: 'hole', dtype: 'uint8', shape: [2 ** 32 + 16] },
      { name: 'last', dtype: 'float32', shape: [3] },
    ],
    {},
  );
  beforeAll(() => {
    const file = openSync(path, 'w');
    writeSync(file, header);
    writeSync(file, new Uint8Array(values.buffer), 0, 12, header.length + 2 ** 32 + 16);
    closeSync(file);
  });
  afterAll(() => rmSync(path));

  it('needs a disk that can hold holes', () => {
    const { size, blocks } = statSync(path);
    expect(size).toBe(header.length + 2 ** 32 + 16 + 12);
    expect(blocks * 512, `the disk of ${folder} must hold files with holes`).toBeLessThan(2 ** 20);
  });

  it('gives one tensor from beyond 4 GiB, without the rest', () => {
    memory.resetPeak();
    const before = memory.stats().peakBytes;
    const { tensors } = loadSafetensors(path, { names: ['last'] });
    expect([...tensors.keys()]).toEqual(['last']);
    expect(tensors.get('last')?.toTypedArray()).toEqual(values);
    expect(memory.stats().peakBytes - before).toBeLessThan(2 ** 20);
  });

  it('is an OutOfMemoryError where it does not fit, and the process goes on', () => {
    const { budgetBytes, liveTensors } = memory.stats();
    memory.setBudget(2 ** 30);
    try {
      expect(() => loadSafetensors(path)).toThrow(OutOfMemoryError);
    } finally {
      memory.setBudget(budgetBytes);
    }
    expect(memory.stats().liveTensors).toBe(liveTensors);
  });

  it('is refused when it ends too early', () => {
    truncateSync(path, header.length + 2 ** 32);
    expect(() => loadSafetensors(path, { names: ['last'] })).toThrow(
      /must fill the file's 4294967296 data bytes, got 4294967324; the file may be truncated/,
    );
  });
});

describe('bytes of a tensor', () => {
  it('are read in pieces', () => {
    const file = openSync(pathOf('pieces'), 'w+');
    const start = 12;
    const values = Float32Array.from({ length: 10 }, (_, i) => i + 0.5);
    writeSync(file, new Uint8Array(values.buffer), 0, 40, start);
    const read = zeros([2, 5]);
    for (const pieceBytes of [12, 1, 1000]) {
      read.zero_();
      readTensorBytes(file, start, read, pieceBytes);
      expect(read.reshape([-1]).toTypedArray()).toEqual(values);
    }
    expect(() => readTensorBytes(file, start + 4, read, 12)).toThrow('the file must have 56 bytes, got 52');
    closeSync(file);
  });

  it('are written in pieces, also of fewer bytes than an element', () => {
    for (const pieceBytes of [1, 12, 1000]) {
      const file = openSync(pathOf('pieces'), 'w');
      writeTensorBytes(
        file,
        tensor([
          [1, 2],
          [3, 4],
          [5, 6],
        ]).t(),
        pieceBytes,
      );
      closeSync(file);
      expect(readFileSync(pathOf('pieces')).equals(Buffer.from(Float32Array.of(1, 3, 5, 2, 4, 6).buffer))).toBe(true);
    }
  });
});
