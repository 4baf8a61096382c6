// Builds the addon by calling the C++ compiler directly: no CMake, no node-gyp. Sources are compiled side by side, each object kept
// in the cache; the result is made aside and renamed into place.

import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type AddonManifest,
  type AddonSources,
  addonFileName,
  compileFlags,
  linkFlags,
  packageSources,
  readManifest,
  sourceKey,
} from './addon.js';
import { type CacheFolder, type Env, cacheFolder, diskFullError, prepareCacheFolder } from './cacheFolder.js';
import { type CommandResult, runCommand } from './commands.js';
import { type Compiler, requireCompiler } from './compiler.js';
import { SetupError } from './errors.js';
import { type Libtorch, isFile, listFolder } from './libtorch.js';
import { type SetupLog, silentLog } from './setupLog.js';

/** What to build and how to speak of it. */
export interface BuildOptions {
  readonly env?: Env;
  readonly log?: SetupLog;
  /** Builds again even if a build is there. */
  readonly force?: boolean;
  /** Other sources than the package's own (tests). */
  readonly sources?: AddonSources;
}

/** The addon and whether this call built it. */
export interface BuiltAddon {
  readonly path: string;
  readonly isNew: boolean;
  /** Seconds this call took to build it; 0 when it was there. */
  readonly seconds: number;
}

interface Job {
  readonly sources: AddonSources;
  readonly libtorch: Libtorch;
  readonly compiler: Compiler;
  readonly cache: CacheFolder;
  readonly env: Env;
  readonly log: SetupLog;
}

/**
 * Compiles and links the addon for `libtorch`, unless a build with the same sources, flags, libtorch and compiler is in the cache.
 * Throws SetupError 'no-compiler' or 'compile-failed' (first compiler error, and where the whole log is); a system error as it is.
 */
export async function buildAddon(libtorch: Libtorch, options: BuildOptions = {}): Promise<BuiltAddon> {
  const { env = process.env, log = silentLog, force = false, sources = packageSources() } = options;
  if (sources.units.length === 0) throw new Error(`internal: no .cc files in ${sources.folder}`);
  const cache = cacheFolder(env);
  const compiler = await requireCompiler(env);
  const compilerKey = shortHash([...compiler.command, compiler.version].join('\0'));
  const target = join(cache.addon, `${sourceKey(sources, libtorch)}-${compilerKey}`);
  const path = join(target, addonFileName);
  if (!force && readManifest(target) !== undefined && isFile(path)) return { path, isNew: false, seconds: 0 };

  prepareCacheFolder(cache);
  const startMs = performance.now();
  const job: Job = { sources, libtorch, compiler, cache, env, log };
  const staging = mkdtempSync(join(cache.addon, '.partial-'));
  try {
    const objects = await compileAll(job, force);
    log.progress('linking');
    await link(job, objects, join(staging, addonFileName));
    const seconds = (performance.now() - startMs) / 1000;
    writeManifest(staging, job, seconds);
    chmodSync(staging, 0o755); // as mkdtemp made it, nobody else could use a shared cache
    replaceFolder(staging, target);
    log.line(`  built ${path} in ${seconds.toFixed(0)} s`);
    prune(cache);
    return { path, isNew: true, seconds };
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Compiles every unit that has no object in the cache, as many at once as there are cores (and 1.5 GB of memory for each). */
async function compileAll(job: Job, force: boolean): Promise<string[]> {
  const { sources, cache, compiler, log } = job;
  const objects = sources.units.map((unit) => ({ unit, path: objectPath(job, unit) }));
  const waiting = objects.filter(({ path }) => force || !isFile(path));
  for (const { path } of objects.filter((object) => !waiting.includes(object))) touch(path);
  if (waiting.length === 0) return objects.map(({ path }) => path);

  const slots = Math.max(1, Math.min(waiting.length, availableParallelism(), Math.floor(freemem() / 1.5e9)));
  log.line(
    `compiling ${String(waiting.length)} C++ file${waiting.length === 1 ? '' : 's'} with ${compiler.kind} ${compiler.version}, ` +
      `${String(slots)} at once: about ${String(Math.ceil(waiting.length / slots) * 15)} s`,
  );
  let numDone = 0;
  const queue = [...waiting];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const aside = join(cache.objects, `.partial-${randomUUID()}`);
      try {
        const seconds = await compileUnit(job, next.unit, aside);
        renameSync(aside, next.path);
        log.progress(`${String(++numDone)} of ${String(waiting.length)}: ${next.unit} took ${seconds.toFixed(0)} s`);
      } catch (error) {
        queue.length = 0; // the first error is enough: the others end with what they are at
        throw error;
      } finally {
        rmSync(aside, { force: true });
      }
    }
  };
  mkdirSync(cache.objects, { recursive: true });
  const results = await Promise.allSettled(Array.from({ length: slots }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return objects.map(({ path }) => path);
}

/** The object's place is a key over its source, all headers, flags, compiler and libtorch. */
function objectPath({ sources, libtorch, compiler, cache }: Job, unit: string): string {
  const hash = createHash('sha256');
  for (const name of [unit, ...sources.headers]) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(sources.folder, name)))
      .update('\0');
  }
  hash.update(
    [...compileFlags, sources.nodeHeadersVersion, libtorch.buildId, ...compiler.command, compiler.version].join('\0'),
  );
  return join(cache.objects, `${unit}-${hash.digest('hex').slice(0, 20)}.o`);
}

async function compileUnit(job: Job, unit: string, output: string): Promise<number> {
  const { sources, libtorch, compiler } = job;
  const includes = [
    `-I${sources.folder}`,
    ...[sources.nodeHeaders, ...libtorch.includeDirs].flatMap((dir) => ['-isystem', dir]),
  ];
  const command = [...compiler.command, ...compileFlags, ...includes, '-c', join(sources.folder, unit), '-o', output];
  const result = await runCommand(command, { env: { ...job.env, LC_ALL: 'C' } });
  if (result.status !== 0) throw compileError(job, unit, command, result);
  return result.seconds;
}

async function link(job: Job, objects: readonly string[], output: string): Promise<void> {
  const { libtorch, compiler } = job;
  const paths = [...new Set([libtorch.libDir, dirname(libtorch.openmpLibrary), ...libtorch.extraLibDirs])].filter(
    (folder) => !/^\/(usr\/)?lib(64)?(\/|$)/.test(folder),
  );
  // clang's OpenMP code calls its own runtime, libomp, and asks omp_get_thread_num of whichever runtime comes first. If that were
  // libgomp, every thread would believe to be the first and a parallel loop would be done twice (tried). First in the list, libomp
  // serves libtorch too, whose GOMP calls it knows.
  const openmp = compiler.kind === 'clang' ? ['-fopenmp', '-lomp'] : [];
  const command = [
    ...[...compiler.command, '-shared', ...objects, '-o', output, '-Wl,--no-as-needed', ...openmp],
    ...[`-L${libtorch.libDir}`, '-ltorch_cpu', '-lc10', libtorch.openmpLibrary],
    ...[...linkFlags, ...paths.map((folder) => `-Wl,-rpath,${folder}`)],
  ];
  const result = await runCommand(command, { env: { ...job.env, LC_ALL: 'C' } });
  if (result.status !== 0) throw compileError(job, 'linking', command, result);
}

function compileError(job: Job, what: string, command: readonly string[], result: CommandResult): SetupError {
  const { cache, compiler } = job;
  const log = join(cache.logs, `build-${what.replace(/\W/g, '-')}.txt`);
  writeFileSync(log, `${command.join(' ')}\n\n${result.stderr}${result.stdout}`);
  if (result.stderr.includes('No space left on device')) return diskFullError(cache.root);
  return new SetupError(
    'compile-failed',
    `setup: the addon must compile, got from ${compiler.kind} ${compiler.version} in ${what}:\n${firstCompilerError(result)}\n` +
      `the whole log is in ${log}; try another compiler (CXX=g++-13 npx halfway-torch setup), or report it with that log and: npx halfway-torch doctor`,
  );
}

/** The first error of a compiler or linker with the two lines that show the place; a compiler that was killed says so. */
export function firstCompilerError({ status, stderr }: Pick<CommandResult, 'status' | 'stderr'>): string {
  if (status === null || /Killed|signal 9/.test(stderr)) {
    return '  the compiler was killed: about 1.5 GB of free memory are needed';
  }
  const lines = stderr.split('\n');
  const at = lines.findIndex((line) => /\berror:|undefined reference|cannot find/.test(line));
  const shown = at === -1 ? lines.filter((line) => line.trim() !== '').slice(0, 1) : lines.slice(at, at + 3);
  return shown.length === 0
    ? `  exit status ${String(status)} and no message`
    : shown.map((line) => `  ${line}`).join('\n');
}

function writeManifest(folder: string, { compiler, libtorch }: Job, seconds: number): void {
  const manifest: AddonManifest = {
    compiler: `${compiler.kind} ${compiler.version}`,
    libtorch: libtorch.root,
    libtorchVersion: libtorch.version,
    seconds,
    bytes: statSync(join(folder, addonFileName)).size,
  };
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
}

function replaceFolder(staging: string, target: string): void {
  // An addon in use keeps its file open: removing the folder under it is safe.
  rmSync(target, { recursive: true, force: true });
  renameSync(staging, target);
}

const objectLifeMs = 7 * 24 * 3600 * 1000;
const numBuildsKept = 10;

/** Objects not used for a week go, and all but the newest builds: they only save time. */
function prune(cache: CacheFolder): void {
  const ages = (folder: string) =>
    listFolder(folder)
      .map((name) => join(folder, name))
      .map((path) => ({ path, ageMs: Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) }));
  const oldObjects = ages(cache.objects).filter(({ ageMs }) => ageMs > objectLifeMs);
  const builds = ages(cache.addon).sort((a, b) => a.ageMs - b.ageMs);
  for (const { path } of [...oldObjects, ...builds.slice(numBuildsKept)])
    rmSync(path, { recursive: true, force: true });
}

function touch(path: string): void {
  const now = new Date();
  utimesSync(path, now, now);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
