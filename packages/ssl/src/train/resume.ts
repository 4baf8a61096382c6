/** What has to be equal for a run to go on as if it had never stopped. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/schema.js';
import type { Source } from '../data/sources/source.js';
import { RunError } from '../errors.js';
import type { RunManifest } from '../protocol/run.js';
import type { RunFolder } from '../run/runFolder.js';

/** Throws RunError when config.yaml is not what the run wrote: with other settings it would not go on, but become another one. */
export function requireUnedited({ configSha256 }: RunManifest, folder: RunFolder): void {
  if (configSha256 === undefined || folder.configSha256() === configSha256) return;
  const path = join(folder.path, 'config.yaml');
  throw new RunError(
    `--resume: ${path} must be as the run wrote it, got one that was edited since; ` +
      `put it back, or start a new run with --recipe ${path}`,
  );
}

/** Throws RunError when configuration or photos differ from those of the run, naming the first differences. */
export function requireResumable(manifest: RunManifest, saved: Config, wanted: Config, source: Source): void {
  const differences = differingKeys(saved, withHashOf(saved, wanted), '');
  if (differences.length > 0) {
    throw new RunError(
      `--resume: the configuration must be that of the run, got ${differences.slice(0, 3).join('; ')}; ` +
        "give the run's own settings (--resume without --recipe takes them all), or start a new run",
    );
  }
  if (source.fingerprint.hash !== manifest.data.hash) {
    throw new RunError(
      `--resume: the photos must be those of the run (${manifest.data.numImages} of ${manifest.data.paths.join(', ')}), ` +
        `got ${source.fingerprint.numImages} of ${source.fingerprint.paths.join(', ')} that differ; name the same data, or start a new run`,
    );
  }
}

/** A recipe names a file of weights and seldom its hash, which the run noted: where it is not said it is that one. */
function withHashOf(saved: Config, wanted: Config): Config {
  const sha256 = wanted.init.sha256 ?? saved.init.sha256;
  return sha256 === undefined ? wanted : { ...wanted, init: { ...wanted.init, sha256 } };
}

/** Those of either: a key that is left out differs from one that is given. */
function differingKeys(saved: object, wanted: object, prefix: string): string[] {
  const keys = [...new Set([...Object.keys(wanted), ...Object.keys(saved)])];
  return keys.flatMap((key) => {
    const [before, value] = [saved, wanted].map((section) => (section as Record<string, unknown>)[key]);
    if (isDeepStrictEqual(before, value)) return [];
    if (isSection(before) && isSection(value)) return differingKeys(before, value, `${prefix}${key}.`);
    return [`${prefix}${key}: ${valueText(value)} where the run has ${valueText(before)}`];
  });
}

function valueText(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
