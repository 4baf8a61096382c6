/** What has to be equal for a run to go on as if it had never stopped. */
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/schema.js';
import type { Source } from '../data/sources/source.js';
import { RunError } from '../errors.js';
import type { RunManifest } from '../protocol/run.js';

/** Throws RunError when configuration or photos differ from those of the run, naming the first differences. */
export function requireResumable(manifest: RunManifest, saved: Config, wanted: Config, source: Source): void {
  const differences = differingKeys(saved, wanted, '');
  if (differences.length > 0) {
    throw new RunError(
      `--resume: the configuration must be that of the run, got ${differences.slice(0, 3).join('; ')}; ` +
        'leave these settings out, or start a new run',
    );
  }
  if (source.fingerprint.hash !== manifest.data.hash) {
    throw new RunError(
      `--resume: the photos must be those of the run (${manifest.data.numImages} of ${manifest.data.paths.join(', ')}), ` +
        `got ${source.fingerprint.numImages} of ${source.fingerprint.paths.join(', ')} that differ; name the same data, or start a new run`,
    );
  }
}

function differingKeys(saved: object, wanted: object, prefix: string): string[] {
  return Object.entries(wanted).flatMap(([key, value]: [string, unknown]) => {
    const before: unknown = (saved as Record<string, unknown>)[key];
    if (isDeepStrictEqual(before, value)) return [];
    if (isSection(before) && isSection(value)) return differingKeys(before, value, `${prefix}${key}.`);
    return [`${prefix}${key}: ${JSON.stringify(value)} where the run has ${JSON.stringify(before)}`];
  });
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
