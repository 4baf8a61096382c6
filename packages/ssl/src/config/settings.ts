/** `--set key.path=value`: changes to a recipe's tree before it is checked. The schema says which keys and values there are. */
import { parse } from 'yaml';
import { ConfigError } from '../errors.js';

type Tree = Record<string, unknown>;

/**
 * A copy of the tree with the settings applied in order; values are read as YAML reads them (`64`, `1e-3`, `true`, `[1, 2]`).
 * @throws ConfigError for a setting without a key
 */
export function applySettings(tree: unknown, settings: readonly string[]): unknown {
  if (!isTree(tree ?? {})) return tree; // the schema says what is wrong with it
  const result = structuredClone(isTree(tree) ? tree : {});
  for (const setting of settings) {
    const split = setting.indexOf('=');
    const keys = setting.slice(0, Math.max(0, split)).split('.');
    const last = keys.pop();
    if (last === undefined || [...keys, last].some((key) => key === '' || key === '__proto__')) {
      throw new ConfigError(`--set: must be key.path=value, got ${setting}; for example optim.lr=0.001`);
    }
    let node = result;
    for (const key of keys) {
      const child = node[key];
      node = isTree(child) ? child : (node[key] = {});
    }
    node[last] = readValue(setting.slice(split + 1));
  }
  return result;
}

function readValue(text: string): unknown {
  try {
    return parse(text, { logLevel: 'error' });
  } catch {
    return text; // the schema says what is wrong with it
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
