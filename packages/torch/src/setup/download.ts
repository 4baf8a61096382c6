// Brings pinned wheels into the cache's download folder with pip: hash-checked, begun anew when interrupted or corrupt.

import { createHash } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type CacheFolder, type Env, diskFullError, formatBytes } from './cacheFolder.js';
import { type CommandResult, runCommand } from './commands.js';
import { SetupError } from './errors.js';
import { isFile } from './libtorch.js';
import type { Pip } from './python.js';
import type { SetupLog } from './setupLog.js';
import { type WheelPin, wheelTagOptions } from './wheelPins.js';

/** What a download needs to know of its surroundings. */
export interface DownloadContext {
  readonly cache: CacheFolder;
  readonly env: Env;
  readonly log: SetupLog;
  readonly pip: Pip;
}

/**
 * The path of a pinned wheel in the download folder, downloaded unless a whole one is already there.
 * A file with another hash is thrown away, and a download that fails its hash is tried once more.
 * Throws SetupError 'no-network', 'disk-full', 'corrupt-wheel' or 'download-failed'.
 */
export async function downloadWheel(pin: WheelPin, context: DownloadContext): Promise<string> {
  const path = join(context.cache.downloads, pin.file);
  if (isFile(path)) {
    if ((await sha256(path)) === pin.sha256) {
      context.log.line(`  ${pin.file}: already downloaded`);
      return path;
    }
    context.log.line(`  ${pin.file}: damaged or incomplete, downloading it again`);
    rmSync(path);
  }
  const first = await runPip(pin, context);
  if (first === undefined) return path;
  if (first.failure !== 'corrupt-wheel') throw first;
  context.log.line(`  ${pin.file}: arrived damaged, trying once more`);
  const second = await runPip(pin, context);
  if (second !== undefined) throw second;
  return path;
}

/** Runs pip once. The file appears in the download folder only when it is whole; the failure is returned. */
async function runPip(pin: WheelPin, context: DownloadContext): Promise<SetupError | undefined> {
  const { cache, env, log, pip } = context;
  mkdirSync(cache.downloads, { recursive: true });
  // pip's own temporary files belong on the disk whose free space was checked, not on a small /tmp.
  const work = mkdtempSync(join(cache.downloads, '.partial-'));
  try {
    const requirements = join(work, 'requirements.txt');
    writeFileSync(requirements, `${pin.name}==${pin.version} --hash=sha256:${pin.sha256}\n`);
    const stop = reportGrowth(work, pin, log);
    const result = await runCommand(pipDownload(pip, requirements, work), { env: { ...env, TMPDIR: work } }).finally(
      stop,
    );
    if (result.status !== 0) return explainPipFailure(result, pin, cache);
    const file = join(work, pin.file);
    if (!isFile(file) || (await sha256(file)) !== pin.sha256) return corrupt(pin);
    renameSync(file, join(cache.downloads, pin.file));
    log.line(`  ${pin.file}: ${formatBytes(pin.bytes)} in ${result.seconds.toFixed(0)} s`);
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function pipDownload(pip: Pip, requirements: string, destination: string): string[] {
  // --no-cache-dir: a second copy of half a gigabyte in pip's own cache would serve nobody.
  const general = ['--disable-pip-version-check', '--no-input', '--retries', '2'];
  return [
    ...[...pip.command, 'download', ...general, '--no-cache-dir', '--quiet', '--no-deps', '--require-hashes'],
    ...[...wheelTagOptions, '--dest', destination, '--requirement', requirements],
  ];
}

/** Reports the bytes that have arrived, every half second, until the returned function is called. Works with every version of pip. */
function reportGrowth(folder: string, pin: WheelPin, log: SetupLog): () => void {
  const startMs = performance.now();
  const timer = setInterval(() => {
    const bytes = largestFileBytes(folder);
    if (bytes === 0) return;
    const rate = bytes / ((performance.now() - startMs) / 1000);
    const left = Math.max(0, pin.bytes - bytes) / rate;
    log.progress(
      `${pin.name}: ${formatBytes(bytes)} of ${formatBytes(pin.bytes)}, ${formatBytes(rate)}/s, about ${left.toFixed(0)} s left`,
    );
  }, 500);
  return () => {
    clearInterval(timer);
  };
}

function largestFileBytes(folder: string): number {
  try {
    const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return Math.max(0, ...paths.map((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.size ?? 0));
  } catch {
    return 0; // pip moves its files about: the next look will do
  }
}

const networkFailure =
  /NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|Temporary failure in name resolution|Name or service not known|Network is unreachable|Connection (refused|reset|broken)|Max retries exceeded|ProxyError|SSLError|IncompleteRead|ConnectionResetError|RemoteDisconnected/;

/** Turns what a failed pip said into the error a person can act on. */
function explainPipFailure(
  result: Pick<CommandResult, 'stdout' | 'stderr'>,
  pin: WheelPin,
  cache: CacheFolder,
): SetupError {
  const text = `${result.stderr}\n${result.stdout}`;
  if (/No space left on device|Disk quota exceeded/.test(text)) return diskFullError(cache.root);
  if (/DO NOT MATCH THE HASHES|Hashes? .*(mismatch|did not match)|BadZipFile|not a zip file/i.test(text))
    return corrupt(pin);
  const lines = text.split('\n').map((line) => line.trim());
  const said = lines.findLast((line) => line.startsWith('ERROR:')) ?? lines.find((line) => line !== '') ?? 'no message';
  if (networkFailure.test(text)) {
    return new SetupError(
      'no-network',
      `setup: pip could not reach its package index for ${pin.name} ${pin.version} (${said}); check the network or proxy and run ` +
        `npx halfway-torch setup again, or fetch the wheel elsewhere (${fetchElsewhere(pin)}) and run: npx halfway-torch setup --from ${pin.file}`,
    );
  }
  return new SetupError(
    'download-failed',
    `setup: pip could not download ${pin.name} ${pin.version} (${said}); if your package index lacks it, fetch it elsewhere ` +
      `(${fetchElsewhere(pin)}) and run: npx halfway-torch setup --from ${pin.file}`,
  );
}

/** The command that fetches one pinned wheel on another machine. */
export function fetchElsewhere(pin: WheelPin): string {
  return (
    `pip download --no-deps --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 ` +
    `--abi none --platform ${platformOf(pin)} ${pin.name}==${pin.version}`
  );
}

function platformOf(pin: WheelPin): string {
  return (
    pin.file
      .replace(/\.whl$/, '')
      .split('-')
      .at(-1)
      ?.split('.')[0] ?? ''
  );
}

function corrupt(pin: WheelPin): SetupError {
  return new SetupError(
    'corrupt-wheel',
    `setup: ${pin.file} did not arrive as published (its SHA-256 is not ${pin.sha256.slice(0, 12)}...); ` +
      `check the network, proxy or package mirror, then run: npx halfway-torch setup`,
  );
}

/** SHA-256 of a file as lower-case hexadecimal. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (chunk instanceof Uint8Array) hash.update(chunk);
  }
  return hash.digest('hex');
}
