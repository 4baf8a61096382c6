/** From what a user wrote to a complete, checked configuration. Every rule that spans several keys is here. */
import { z } from 'zod';
import { ConfigError } from '../errors.js';
import { nearestName } from './nearestName.js';
import { configSchema, type Config } from './schema.js';

type Tree = Record<string, unknown>;

/**
 * Checks a recipe's tree and fills in every default.
 * @param where the file or command it came from, for messages
 * @throws ConfigError naming the key, the rule, the value, and for an unknown key the nearest one
 */
export function parseConfig(tree: unknown, where: string): Config {
  const parsed = configSchema.safeParse(tree ?? {});
  if (!parsed.success) throw issueError(parsed.error.issues[0], tree, where);
  checkAcrossKeys(parsed.data, where);
  return parsed.data;
}

/** A copy of the tree with `key.path=value` settings applied; values are read as YAML reads them by `readValue`. */
export function applySettings(tree: unknown, settings: readonly string[], readValue: (text: string) => unknown): Tree {
  const result = structuredClone(isTree(tree) ? tree : {});
  for (const setting of settings) {
    const split = setting.indexOf('=');
    if (split < 1) throw new ConfigError(`--set: must be key.path=value, got ${setting}; for example optim.lr=0.001`);
    const keys = setting.slice(0, split).split('.');
    let node = result;
    for (const key of keys.slice(0, -1)) {
      const child = node[key];
      node = isTree(child) ? child : (node[key] = {});
    }
    node[keys.at(-1) ?? ''] = readValue(setting.slice(split + 1));
  }
  return result;
}

/** The configuration's JSON Schema, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

function issueError(issue: z.core.$ZodIssue | undefined, tree: unknown, where: string): ConfigError {
  if (issue === undefined) return new ConfigError(`${where}: the configuration is not valid`);
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0] ?? '';
    const nearest = nearestName(unknown, keysAt(path));
    const known = keysAt(path).join(', ');
    const key = [...path, unknown].join('.');
    const hint = nearest === undefined ? `known here: ${known}` : `did you mean ${[...path, nearest].join('.')}?`;
    return new ConfigError(`${where}: there is no key ${key}; ${hint}`, key);
  }
  const key = path.join('.');
  return new ConfigError(
    `${where}: ${key || 'the top level'}: ${issue.message}, got ${show(valueAt(tree, path))}`,
    key,
  );
}

function checkAcrossKeys({ model, split, recon, decoder, transform, augment }: Config, where: string): void {
  const fail = (key: string, rule: string): never => {
    throw new ConfigError(`${where}: ${key}: ${rule}`, key);
  };
  if (model.imagePx % model.patch !== 0) {
    const below = Math.floor(model.imagePx / model.patch) * model.patch;
    fail(
      'model.imagePx',
      `must be a multiple of model.patch ${model.patch}, got ${model.imagePx}; use ${Math.max(below, model.patch)} or ${below + model.patch}`,
    );
  }
  if (split.equivariantDim >= split.dim) {
    fail(
      'split.equivariantDim',
      `must be below split.dim ${split.dim}, got ${split.equivariantDim}; use ${Math.ceil(split.dim / 2)}`,
    );
  }
  if (model.size === 'custom' && model.widthDim % model.numHeads !== 0) {
    fail('model.numHeads', `must divide model.widthDim ${model.widthDim}, got ${model.numHeads}`);
  }
  if (recon.target !== 'none' && decoder.channels % 8 !== 0) {
    fail(
      'decoder.channels',
      `must be a multiple of 8, got ${decoder.channels}; use ${Math.ceil(decoder.channels / 8) * 8}`,
    );
  }
  if (recon.sharedCrop && recon.target === 'none') {
    fail('recon.sharedCrop', 'needs recon.target other than none, which shares nothing; set recon.target=rotation');
  }
  if (transform.stage === 'after_crop' && augment.preset !== 'all' && recon.target !== 'none') {
    fail(
      'transform.stage',
      `after_crop differs from after_photometric only with augment.preset all, got ${augment.preset}`,
    );
  }
}

/** Names of the schema's keys under a path. */
function keysAt(path: readonly string[]): string[] {
  let node: unknown = configSchema;
  for (const key of path) {
    if (node instanceof z.ZodPrefault) node = node.unwrap();
    node = node instanceof z.ZodObject ? node.shape[key] : undefined;
  }
  if (node instanceof z.ZodPrefault) node = node.unwrap();
  return node instanceof z.ZodObject ? Object.keys(node.shape) : [];
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (node, key) => (typeof node === 'object' && node !== null ? (node as Tree)[key] : undefined),
    tree,
  );
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
