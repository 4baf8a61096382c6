/**
 * From what a user wrote to a complete, checked configuration. What objective, task and encoder cannot be together is found here, before
 * photos are looked for; what only they know, such as the sizes of their views, is said where they are made.
 */
import { z } from 'zod';
import { ConfigError } from '../errors.js';
import { VIT_SIZES } from './encoderSizes.js';
import { nearestName } from './nearestName.js';
import { patchPx } from './patchPx.js';
import { peakLr } from './peakLr.js';
import { expectDecoderChannels, expectDivisor, expectMultiple, expectSplit } from './shapeRules.js';
import { splitDims } from './splitDims.js';
import { transformationOf } from './transformationOf.js';
import { configSchema, type Config } from './schema.js';

type Tree = Record<string, unknown>;

// How the schema's types are called in messages.
const NOUNS: Readonly<Record<string, string>> = {
  ...{ number: 'a number', int: 'a whole number', boolean: 'true or false' },
  ...{ object: 'a section of keys', array: 'a list of numbers', tuple: 'a list of two numbers', string: 'a text' },
};

/**
 * Checks a recipe's tree and fills in every default.
 * @param where the file or command it came from, for messages
 * @throws ConfigError naming the key, the rule, the value, and for an unknown key the nearest one
 */
export function parseConfig(tree: unknown, where: string): Config {
  const parsed = configSchema.safeParse(tree ?? {});
  if (!parsed.success) throw issueError(parsed.error.issues[0], tree, where);
  const config = withNamedSize(parsed.data);
  try {
    checkAcrossKeys(config);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${where}: ${error.message}`, error.path);
    throw error;
  }
  return config;
}

/** Width, depth and heads as a named size has them, so that what is written says what is trained. */
function withNamedSize(config: Config): Config {
  const { model } = config;
  if (model.kind !== 'vit' || model.size === 'custom') return config;
  return { ...config, model: { ...model, ...VIT_SIZES[model.size] } };
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
  const place = key === '' ? 'the top level' : key;
  return new ConfigError(`${where}: ${place}: ${ruleOf(issue)}, got ${show(valueAt(tree, path))}`, key);
}

/** The rule that a value broke, in words. */
function ruleOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${NOUNS[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`;
    case 'too_small':
      if (issue.origin === 'array') return `must have ${issue.minimum} entries or more`;
      return `must be ${issue.inclusive === false ? 'above' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'array') return `must have ${issue.maximum} entries or fewer`;
      return `must be ${issue.inclusive === false ? 'below' : 'at most'} ${issue.maximum}`;
    default:
      return issue.message;
  }
}

/** Rules that span keys. */
function checkAcrossKeys(config: Config): void {
  const { model, split, recon, decoder, transform, augment, optim, train, dinov2 } = config;
  const fail = (key: string, rule: string): never => {
    throw new ConfigError(`${key}: ${rule}`, key);
  };
  expectMultiple('model.imagePx', model.imagePx, patchPx(model));
  if (model.kind === 'vit') expectDivisor('model.numHeads', model.numHeads, 'model.widthDim', model.widthDim);
  const hasTask = recon.target !== 'none';
  const { featureDim } = splitDims(config);
  if (split.location !== 'head_output') expectSplit(featureDim, split.equivariantDim, hasTask ? 1 : 0);
  else if (hasTask && split.equivariantDim === 0) {
    fail('split.equivariantDim', `must be at least 1 for a task to read, got 0; use ${featureDim}`);
  }
  if (hasTask && recon.of === 'images') {
    expectDecoderChannels(decoder.channels);
    if (recon.intermediates === 0 && !recon.includeFinal) {
      fail('recon.intermediates', 'must be at least 1 without recon.includeFinal, got 0; set one of them');
    }
    if (recon.concat === 'cross_attention') {
      expectDivisor('recon.attentionHeads', recon.attentionHeads, 'split.equivariantDim', split.equivariantDim);
    }
  }
  if (transformationOf(config) !== 'none' && transform.stage === 'after_crop' && augment.preset !== 'all') {
    fail('transform.stage', `after_crop is after_photometric where augment.preset is ${augment.preset}; leave it out`);
  }
  if (config.objective === 'dinov2' && dinov2.koleoGroup > 0) {
    expectDivisor('dinov2.koleoGroup', dinov2.koleoGroup, 'train.batch', train.batch);
  }
  if (optim.minLr > peakLr(config)) {
    const scaled = optim.lrScaling === 'none' ? 'optim.lr' : `what optim.lrScaling makes of optim.lr ${optim.lr},`;
    fail('optim.minLr', `must not exceed ${scaled} ${peakLr(config)}, got ${optim.minLr}; lower it`);
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
