/** Whatever a user writes, the answer is a configuration or a ConfigError. */
import * as fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../errors.js';
import { parseConfig } from './parse.js';
import { plausibleTree, spoiltTree } from './randomConfig.case.js';
import { configText } from './recipe.js';
import type { Config } from './schema.js';
import { applySettings } from './settings.js';

function parsedOrRefused(tree: unknown): Config | undefined {
  try {
    return parseConfig(tree, 'random');
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

describe('random configurations', () => {
  it('of plausible values are accepted or refused by a rule across keys; accepted ones survive their text', () => {
    let numAccepted = 0;
    fc.assert(
      fc.property(plausibleTree(), (tree) => {
        const config = parsedOrRefused(tree);
        if (config === undefined) return;
        numAccepted += 1;
        expect(parsedOrRefused(parse(configText(config)))).toEqual(config);
      }),
      { numRuns: 200 },
    );
    expect(numAccepted).toBeGreaterThan(20); // else this test has tried nothing
  });

  it('with anything at all in them are accepted or refused', () => {
    fc.assert(
      fc.property(spoiltTree(), (tree) => void parsedOrRefused(tree)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.anything(), (tree) => void parsedOrRefused(tree)),
      { numRuns: 300 },
    );
  });

  it('of random settings are accepted or refused', () => {
    const setting = fc.oneof(
      fc.string(),
      fc.tuple(fc.string(), fc.string()).map(([key, value]) => `${key}=${value}`),
    );
    fc.assert(
      fc.property(fc.array(setting, { maxLength: 3 }), (settings) => {
        try {
          parsedOrRefused(applySettings({}, settings));
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
