// For tests only: a machine in a temporary folder, with a PATH of its own, a pip that serves tiny wheels (or fails in a chosen way),
// and libtorch folders small enough to make by the dozen. Real: sh, Python's zipfile, and the C++ compiler where a test asks for it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Env } from './cacheFolder.js';
import { findOnPath } from './commands.js';
import type { Pins } from './install.js';
import type { SetupLog } from './setupLog.js';
import type { WheelPin } from './wheelPins.js';

/** A log that keeps its lines. */
export function recordingLog(): SetupLog & { readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, line: (text) => lines.push(text), progress: () => undefined };
}

/** How the fake pip answers a download. */
export type PipBehaviour = 'serve' | 'offline' | 'refusing' | 'corrupt' | 'truncated' | 'disk-full';

const pipReplies: Readonly<Record<Exclude<PipBehaviour, 'serve'>, string>> = {
  offline: `echo "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: Temporary failure in name resolution'" >&2
echo "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)" >&2; exit 1`,
  refusing: `echo "ERROR: No matching distribution found for torch==2.15.0" >&2; exit 1`,
  corrupt: 'echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1',
  truncated: 'for file in "$serve/$name"-*.whl; do head -c 100 "$file" > "$dest/$(basename "$file")"; done; exit 0',
  'disk-full': `echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" >&2; exit 1`,
};

/** A point of set-up at which the fake machine can hold it up. */
export type StallPoint = 'download' | 'unpacking' | 'compiling' | 'linking';

/** A temporary folder that plays a whole machine. Call `remove` at the end. */
export class FakeMachine {
  readonly root = mkdtempSync(join(tmpdir(), 'halfway-setup-test-'));
  readonly bin = join(this.root, 'bin');
  readonly home = join(this.root, 'home');
  readonly cache = join(this.root, 'cache');
  readonly served = join(this.root, 'served');
  readonly pipCalls = join(this.root, 'pip-calls');

  constructor() {
    for (const folder of [this.bin, this.home, this.served]) mkdirSync(folder);
  }

  /** The environment of a program on this machine: only its own `bin` on PATH, unless `more` says otherwise. */
  env(more: Env = {}): Env {
    return { PATH: this.bin, HOME: this.home, HALFWAY_CACHE: this.cache, ...more };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  write(path: string, content: string | Uint8Array): string {
    const full = join(this.root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
    return full;
  }

  /** Puts an executable shell script on this machine's PATH. */
  script(name: string, body: string): string {
    const path = this.write(join('bin', name), `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** Puts real programs of this computer on PATH. */
  link(...names: string[]): void {
    for (const name of names) {
      const path = findOnPath(name, process.env);
      if (path === undefined) throw new Error(`internal: this test needs ${name} on PATH`);
      if (!existsSync(join(this.bin, name))) symlinkSync(path, join(this.bin, name));
    }
  }

  /** A python3 that is the real one, except that `-m pip` is ours. `hasPip: false`: as Debian's python3 without python3-pip. */
  python(behaviour: PipBehaviour = 'serve', hasPip = true): void {
    this.link('cp', 'head', 'basename', 'sed');
    const serve = `${this.#stallHere('download')} cp "$serve/$name"-*.whl "$dest/"`;
    const pip = `
if [ "$3" = "--version" ]; then echo "pip 99.0 from nowhere"; exit 0; fi
echo "$@" >> "${this.pipCalls}"
serve="${this.served}"
while [ $# -gt 0 ]; do
  case "$1" in --dest) dest="$2" ;; --requirement) requirement="$2" ;; esac
  shift
done
name=$(sed 's/==.*//; s/-/_/g' "$requirement")
${behaviour === 'serve' ? serve : pipReplies[behaviour]}
`;
    const noPip = 'echo "No module named pip" >&2; exit 1';
    const stall = `case "$2" in *ZipFile*) ${this.#stallHere('unpacking')} ;; esac`;
    this.script(
      'python3',
      `if [ "$1" = "-m" ]; then\n${hasPip ? pip : noPip}\nexit\nfi\n${stall}\nexec ${realPython()} "$@"`,
    );
  }

  /** A c++ that is the real one. */
  compiler(): void {
    const real = findOnPath('c++', process.env) ?? 'g++';
    const compiling = `*" -c "*) ${this.#stallHere('compiling')} ;;`;
    const linking = `*" -shared "*) ${this.#stallHere('linking')} ;;`;
    this.script('c++', `case " $* " in ${compiling} ${linking} esac\nexec ${real} "$@"`);
  }

  /** Makes the fake tools stop for good when they come to `point`; `isStalledAt` tells when they have, `goOn` lets later ones pass. */
  stallAt(point: StallPoint): void {
    this.write(`stall-${point}`, '');
  }

  isStalledAt(point: StallPoint): boolean {
    return existsSync(join(this.root, `reached-${point}`));
  }

  goOn(point: StallPoint): void {
    rmSync(join(this.root, `stall-${point}`));
  }

  /** The shell code of a tool that comes to `point`. */
  #stallHere(point: StallPoint): string {
    return `if [ -e "${this.root}/stall-${point}" ]; then : > "${this.root}/reached-${point}"; exec sleep 600; fi;`;
  }

  numPipCalls(): number {
    return existsSync(this.pipCalls) ? readFileSync(this.pipCalls, 'utf8').trim().split('\n').length : 0;
  }

  /** A torch package with the given version and libraries at `path`. */
  torch(
    path: string,
    version = '2.15.0',
    { needed = ['libgomp.so.1', 'libc.so.6'], isOldAbi = false, files = ['libgomp.so.1'] } = {},
  ): string {
    this.write(join(path, '__init__.py'), '');
    for (const [name, content] of Object.entries(torchFiles(version, { needed, isOldAbi, files })))
      this.write(join(path, name), content);
    return join(this.root, path);
  }

  /** Compiles real, nearly empty libraries that pass for libtorch's, and returns their paths. */
  libraries(): Readonly<Record<'libtorch_cpu.so' | 'libc10.so', string>> {
    return {
      'libtorch_cpu.so': this.#library('libtorch_cpu.so', 'namespace at { int answer() { return 42; } }'),
      'libc10.so': this.#library('libc10.so', '#include <string>\nnamespace c10 { void fail(std::string) {} }'),
    };
  }

  #library(name: string, source: string): string {
    const path = this.write(join('made', name), madeLibraries.get(name) ?? '');
    if (!madeLibraries.has(name)) {
      const options = ['-x', 'c++', '-shared', '-fPIC', '-fopenmp', '-Wl,--no-as-needed', '-o', path, '-'];
      execFileSync(findOnPath('c++', process.env) ?? 'g++', options, { input: source });
      madeLibraries.set(name, readFileSync(path));
    }
    return path;
  }

  /** Makes tiny wheels for pip to serve, and the pins that ask for them. `libraries`: real shared libraries in place of the fakes. */
  wheels(version = '2.15.0', libraries: Readonly<Record<string, string>> = {}): Pins {
    const torchContent: Record<string, string | Uint8Array> = {
      ...torchFiles(version, { needed: ['libgomp.so.1', 'libcudart.so.99'], isOldAbi: false, files: ['libgomp.so.1'] }),
      'lib/libtorch_cuda.so': 'large and unwanted',
      'lib/libtorch_python.so': 'unwanted',
      ...Object.fromEntries(Object.entries(libraries).map(([name, path]) => [`lib/${name}`, readFileSync(path)])),
    };
    const inTorch = Object.fromEntries(
      Object.entries(torchContent).map(([name, content]) => [`torch/${name}`, content]),
    );
    const runtime = { 'nvidia/cu13/lib/libcudart.so.99': fakeLibrary([]), 'nvidia/cu13/lib/libother.so': 'unwanted' };
    const pins = [
      this.wheel('torch', version, 'cp311-cp311-manylinux_2_28_x86_64', inTorch),
      this.wheel('nvidia-cuda-runtime', '13.2', 'py3-none-manylinux2014_x86_64', runtime),
    ] as const;
    return { cpu: pins, cuda: pins };
  }

  /** Makes one wheel with the given files and returns its pin. */
  wheel(name: string, version: string, tag: string, files: Readonly<Record<string, string | Uint8Array>>): WheelPin {
    const file = `${name.replaceAll('-', '_')}-${version}-${tag}.whl`;
    const path = join(this.served, file);
    const program =
      'import base64, json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as wheel:\n' +
      '    for name, content in json.load(sys.stdin).items(): wheel.writestr(name, base64.b64decode(content))';
    const content = Object.fromEntries(
      Object.entries(files).map(([inside, bytes]) => [inside, Buffer.from(bytes).toString('base64')]),
    );
    const input = JSON.stringify(content);
    const known = madeWheels.get(file + input);
    if (known === undefined) execFileSync(realPython(), ['-c', program, path], { input });
    else writeFileSync(path, known);
    const bytes = readFileSync(path);
    madeWheels.set(file + input, bytes);
    return { name, version, file, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  }
}

// Wheels by name and content: most tests of a file want the same, and Python takes a tenth of a second for each.
const madeWheels = new Map<string, Buffer>();
const madeLibraries = new Map<string, Buffer>();

let pythonPath: string | undefined;

/** The computer's Python itself: what is on PATH may be a script (pyenv) that needs programs our machine does not have. */
function realPython(): string {
  pythonPath ??= execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  return pythonPath;
}

function torchFiles(
  version: string,
  facts: { needed: string[]; isOldAbi: boolean; files: string[] },
): Record<string, string | Uint8Array> {
  const symbol = facts.isOldAbi ? '_ZN3c105ErrorC2ESs' : '_ZN3c105ErrorC2ENSt7__cxx1112basic_stringIcEE';
  return {
    'version.py': `__version__ = '${version}'\n`,
    'include/ATen/ATen.h': '#pragma once\n',
    'include/torch/csrc/api/include/torch/torch.h': '#pragma once\n',
    'lib/libtorch_cpu.so': fakeLibrary(facts.needed, '$ORIGIN/../../nvidia/cu13/lib:$ORIGIN'),
    'lib/libc10.so': fakeLibrary([], '$ORIGIN', [symbol]),
    ...Object.fromEntries(facts.files.map((file) => [`lib/${file}`, fakeLibrary([])])),
  };
}

/** The bytes of a shared library that needs `needed`, looks in `rpath` and names `symbols`: one loaded segment and a dynamic section. */
export function fakeLibrary(needed: readonly string[], rpath = '', symbols: readonly string[] = []): Buffer {
  const strings = ['', ...needed, rpath, ...symbols];
  const offsets = strings.map((_, index) =>
    strings.slice(0, index).reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0),
  );
  const table = Buffer.from(`${strings.join('\0')}\0`);
  const dynamicOffset = 64 + 2 * 56;
  const entries: [tag: number, value: number][] = [
    ...needed.map((_, index): [number, number] => [1, offsets[index + 1] ?? 0]),
    [15, offsets[needed.length + 1] ?? 0],
    [5, dynamicOffset + 16 * (needed.length + 4)],
    [10, table.length],
    [0, 0],
  ];
  const total = dynamicOffset + 16 * entries.length + table.length;
  const bytes = Buffer.alloc(dynamicOffset + 16 * entries.length);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  for (const [index, [type, offset, size]] of [
    [1, 0, total],
    [2, dynamicOffset, 16 * entries.length],
  ].entries() as IterableIterator<[number, [number, number, number]]>) {
    const at = 64 + 56 * index;
    bytes.writeUInt32LE(type, at);
    bytes.writeBigUInt64LE(BigInt(offset), at + 8);
    bytes.writeBigUInt64LE(BigInt(offset), at + 16);
    bytes.writeBigUInt64LE(BigInt(size), at + 32);
  }
  for (const [index, [tag, value]] of entries.entries()) {
    bytes.writeBigInt64LE(BigInt(tag), dynamicOffset + 16 * index);
    bytes.writeBigUInt64LE(BigInt(value), dynamicOffset + 16 * index + 8);
  }
  return Buffer.concat([bytes, table]);
}
