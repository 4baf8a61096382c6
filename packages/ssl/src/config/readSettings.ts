/**
 * What is asked for with `--set` must change something: keys that are read only where another key has some value.
 *
 * A recipe may keep sections that a setting of what they are for leaves behind; a setting is somebody's wish. That these keys change
 * nothing where they are refused is tested in train/unreadKeys.test.ts.
 */
import { ConfigError } from '../errors.js';
import { type Config, configSchema } from './schema.js';
import { transformationOf } from './transformationOf.js';

type Value = string | number | boolean | undefined;

/** Keys, and the key that says whether they are read. */
interface Rule {
  readonly keys: RegExp;
  readonly decider: string;
  readonly isRead: (value: Value) => boolean;
  /** The values of the decider for which they are, in words. */
  readonly wanted: string;
}

/** What g does to the second view, which is a task's or the objective's own. */
const TRANSFORMATION = 'transformation';

function readWith(keys: RegExp, decider: string, ...values: readonly Value[]): Rule {
  return { keys, decider, isRead: (value) => values.includes(value), wanted: values.join(' or ') };
}

function readUnless(keys: RegExp, decider: string, ...values: readonly Value[]): Rule {
  return {
    ...{ keys, decider, isRead: (value) => !values.includes(value) },
    wanted: `other than ${values.map(textOf).join(' or ')}`,
  };
}

/** Where a key is in several, the first that does not hold is the one to tell of. */
const RULES: readonly Rule[] = [
  ...configSchema.shape.objective
    .unwrap()
    .options.map((name) => readWith(new RegExp(`^${name}(\\.|$)`), 'objective', name)),
  readWith(/^ibot\.patchPrototypes$/, 'ibot.sharedHead', false),
  readWith(/^dinov2\.patch(Prototypes|BottleneckDim)$/, 'dinov2.untiedHead', true),
  readWith(/^dinov2\.centerMomentum$/, 'dinov2.targets', 'centering'),
  readWith(/^model\.resnet/, 'model.kind', 'resnet18'),
  readWith(/^model\.(size|widthDim|depth|numHeads|ffn|mlpRatio|patch|numRegisters)$/, 'model.kind', 'vit'),
  readWith(/^model\.(layerScale|dropPath\w+|init|positionResize)$/, 'model.kind', 'vit'),
  readWith(/^(optim\.(layerDecay|patchEmbedLrMult)|train\.checkpointActivations)$/, 'model.kind', 'vit'),
  readWith(/^model\.(widthDim|depth|numHeads)$/, 'model.size', 'custom'),
  readWith(/^split\.dim$/, 'split.location', 'adapter'),
  readWith(/^split\.equiFirst$/, 'split.location', 'adapter', 'backbone'),
  readUnless(/^(decoder\.|recon\.(?!target)|split\.clsEqui$)/, 'recon.target', 'none'),
  readWith(/^decoder\./, 'recon.of', 'images'),
  readWith(
    /^recon\.(intermediates|includeFinal|maskOutside|reduction|space|concat|attentionHeads)$/,
    'recon.of',
    'images',
  ),
  readWith(/^recon\.regressor$/, 'recon.of', 'theta'),
  readWith(/^recon\.attentionHeads$/, 'recon.concat', 'cross_attention'),
  readUnless(/^transform\./, TRANSFORMATION, 'none'),
  readWith(/^transform\.rotationDeg$/, TRANSFORMATION, 'rotation', 'se2', 'all'),
  readWith(/^transform\.translate\w+$/, TRANSFORMATION, 'translation', 'se2', 'all'),
  readWith(/^transform\.color\b/, TRANSFORMATION, 'color', 'all'),
  readWith(/^transform\.blur\w+$/, TRANSFORMATION, 'blur', 'all'),
  readWith(/^transform\.se2Path$/, TRANSFORMATION, 'se2', 'all'),
  readUnless(/^(transform\.interpolation|recon\.(fill|maskOutside)|sie\.fill)$/, TRANSFORMATION, 'color', 'blur'),
  readWith(/^augment\.(local\.)?(jitterProb|brightness|contrast|saturation|hue|grayProb)$/, 'augment.preset', 'all'),
  readWith(/^augment\.(local\.)?(blur\w+|solarizeProb)$/, 'augment.preset', 'all'),
  readUnless(/^augment\.(cropScale|cropRatio|flipProb)$/, 'augment.preset', 'none'),
  readWith(/^(augment\.local\b|optim\.freezeLastLayer)/, 'objective', 'dino', 'ibot', 'dinov2'),
  readUnless(/^augment\.local\.(?!count$)/, 'augment.local.count', 0),
  readUnless(/^init\.(?!file$)/, 'init.file', undefined),
  readWith(/^optim\.betas$/, 'optim.algorithm', 'adamw', 'adam'),
  readWith(/^optim\.momentum$/, 'optim.algorithm', 'lars', 'sgd'),
  readUnless(/^optim\.clipOver$/, 'optim.clipNorm', 0),
];

/** Throws ConfigError for the first of `settings` (`key.path=value`) that nothing reads under the configuration that they came to. */
export function requireRead(config: Config, settings: readonly string[]): void {
  for (const setting of settings) {
    const key = setting.split('=')[0] ?? '';
    const broken = RULES.find(({ keys, decider, isRead }) => keys.test(key) && !isRead(valueOf(config, decider)));
    if (broken === undefined) continue;
    const { decider, wanted } = broken;
    throw new ConfigError(
      `--set ${key}: is read only with ${decider} ${wanted}, got ${textOf(valueOf(config, decider))}; leave it out, or set both`,
      key,
    );
  }
}

function textOf(value: Value): string {
  return String(value ?? 'none');
}

function valueOf(config: Config, decider: string): Value {
  if (decider === TRANSFORMATION) return transformationOf(config);
  return decider.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], config) as Value;
}
