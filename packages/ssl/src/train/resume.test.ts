import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import type { Source } from '../data/sources/source.js';
import { manifestOf, tinyConfig } from '../run/scratch.case.js';
import { requireResumable } from './resume.js';

/** The attempt to go on with a run of these settings as one of those. */
function resuming(saved: Config, wanted: Config): () => void {
  const manifest = manifestOf(saved);
  const source: Source = { paths: ['photos'], samples: [], classNames: [], fingerprint: manifest.data };
  return () => requireResumable(manifest, saved, wanted, source);
}

describe('requireResumable', () => {
  const [hash, otherHash] = ['a', 'b'].map((digit) => digit.repeat(64));
  const weights = ['init.file=a.pth', `init.sha256=${hash}`];

  it.each([
    ['optim.weightDecayEnd', '0.4', '0.4'],
    ['init.file', 'a.pth', '"a.pth"'],
    ['init.key', 'student', '"student"'],
  ])('compares %s, which may be left out, where one of the two leaves it out', (key, value, shown) => {
    const [without, having] = [tinyConfig(), tinyConfig(`${key}=${value}`)];
    expect(resuming(having, having)).not.toThrow();
    expect(resuming(having, without)).toThrow(
      `--resume: the configuration must be that of the run, got ${key}: nothing where the run has ${shown}; ` +
        "give the run's own settings (--resume without --recipe takes them all), or start a new run",
    );
    expect(resuming(without, having)).toThrow(`got ${key}: ${shown} where the run has nothing; `);
  });

  it('does not ask for the hash of the weights, which a run notes itself, and compares one that is given', () => {
    const run = tinyConfig(...weights);
    expect(resuming(run, tinyConfig('init.file=a.pth'))).not.toThrow();
    expect(resuming(run, tinyConfig('init.file=a.pth', `init.sha256=${otherHash}`))).toThrow(
      `got init.sha256: "${otherHash}" where the run has "${hash}"; `,
    );
    expect(resuming(run, tinyConfig())).toThrow('got init.file: nothing where the run has "a.pth"; ');
  });
});
