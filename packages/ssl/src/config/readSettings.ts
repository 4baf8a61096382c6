/**
 * What is asked for with `--set` must change something: which keys are read under which others, where not all are always.
 *
 * A recipe may keep sections that a setting of what they are for leaves behind; a setting is somebody's wish. That these keys change
 * nothing where they are refused is tested in train/everyKey.test.ts.
 */
import { ConfigError } from '../errors.js';
import { type Config, configSchema } from './schema.js';
import { transformationOf } from './transformationOf.js';

/** Keys that are not always read. */
interface Reader {
  readonly keys: RegExp;
  /** What reads them, in words. */
  readonly reader: string;
  readonly isThere: (config: Config) => boolean;
  /** What there is in its place. */
  readonly there: (config: Config) => string;
}

const OBJECTIVES = configSchema.shape.objective.unwrap().options;
const PHOTOMETRIC = '(local\\.)?(jitterProb|brightness|contrast|saturation|hue|grayProb|blur\\w+|solarizeProb)';

function isGeometric(config: Config): boolean {
  return ['rotation', 'translation', 'se2', 'all'].includes(transformationOf(config));
}

/** Keys of a section of `transform` that one kind of transformation reads. */
function ofTransformation(keys: RegExp, ...names: readonly string[]): Reader {
  return {
    keys,
    reader: `the transformation ${names.join(' or ')}`,
    isThere: (config) => [...names, 'all'].includes(transformationOf(config)),
    there: transformationOf,
  };
}

/** Where a key is in several, the first that is not there is the one to tell of. */
const READERS: readonly Reader[] = [
  ...OBJECTIVES.map((name): Reader => {
    return {
      keys: new RegExp(`^${name}(\\.|$)`),
      reader: `objective ${name}`,
      isThere: ({ objective }) => objective === name,
      there: ({ objective }) => `objective ${objective}`,
    };
  }),
  {
    keys: /^ibot\.patchPrototypes$/,
    reader: 'ibot.sharedHead false',
    isThere: ({ ibot }) => !ibot.sharedHead,
    there: () => 'true',
  },
  {
    keys: /^dinov2\.patch(Prototypes|BottleneckDim)$/,
    reader: 'dinov2.untiedHead true',
    isThere: ({ dinov2 }) => dinov2.untiedHead,
    there: () => 'false',
  },
  {
    keys: /^dinov2\.centerMomentum$/,
    reader: 'dinov2.targets centering',
    isThere: ({ dinov2 }) => dinov2.targets === 'centering',
    there: ({ dinov2 }) => dinov2.targets,
  },
  {
    keys: /^model\.resnet/,
    reader: 'model.kind resnet18',
    isThere: ({ model }) => model.kind === 'resnet18',
    there: ({ model }) => model.kind,
  },
  {
    keys: /^(model\.(size|widthDim|depth|numHeads|ffn|mlpRatio|patch|numRegisters|layerScale|dropPath\w+|init|positionResize)|optim\.(layerDecay|patchEmbedLrMult)|train\.checkpointActivations)$/,
    reader: 'model.kind vit',
    isThere: ({ model }) => model.kind === 'vit',
    there: ({ model }) => model.kind,
  },
  {
    keys: /^split\.dim$/,
    reader: 'split.location adapter',
    isThere: ({ split }) => split.location === 'adapter',
    there: ({ split }) => split.location,
  },
  {
    keys: /^split\.equiFirst$/,
    reader: 'split.location adapter or backbone',
    isThere: ({ split }) => split.location !== 'head_output',
    there: ({ split }) => split.location,
  },
  {
    keys: /^(decoder\.|recon\.(?!target)|split\.clsEqui$)/,
    reader: 'a task',
    isThere: ({ recon }) => recon.target !== 'none',
    there: () => 'recon.target none',
  },
  {
    keys: /^(decoder\.|recon\.(intermediates|includeFinal|maskOutside|reduction|space|concat|attentionHeads)$)/,
    reader: 'recon.of images',
    isThere: ({ recon }) => recon.of === 'images',
    there: ({ recon }) => recon.of,
  },
  {
    keys: /^recon\.regressor$/,
    reader: 'recon.of theta',
    isThere: ({ recon }) => recon.of === 'theta',
    there: ({ recon }) => recon.of,
  },
  {
    keys: /^recon\.attentionHeads$/,
    reader: 'recon.concat cross_attention',
    isThere: ({ recon }) => recon.concat === 'cross_attention',
    there: ({ recon }) => recon.concat,
  },
  {
    keys: /^transform\./,
    reader: 'a task or objective sie',
    isThere: (config) => transformationOf(config) !== 'none',
    there: ({ objective }) => `recon.target none and objective ${objective}`,
  },
  ofTransformation(/^transform\.rotationDeg$/, 'rotation', 'se2'),
  ofTransformation(/^transform\.translate\w+$/, 'translation', 'se2'),
  ofTransformation(/^transform\.color\b/, 'color'),
  ofTransformation(/^transform\.blur\w+$/, 'blur'),
  ofTransformation(/^transform\.se2Path$/, 'se2'),
  {
    keys: /^(transform\.interpolation|recon\.(fill|maskOutside)|sie\.fill)$/,
    reader: 'the transformation rotation, translation or se2',
    isThere: isGeometric,
    there: transformationOf,
  },
  {
    keys: new RegExp(`^augment\\.${PHOTOMETRIC}$`),
    reader: 'augment.preset all',
    isThere: ({ augment }) => augment.preset === 'all',
    there: ({ augment }) => augment.preset,
  },
  {
    keys: /^augment\.(cropScale|cropRatio|flipProb)$/,
    reader: 'augment.preset all or rot',
    isThere: ({ augment }) => augment.preset !== 'none',
    there: ({ augment }) => augment.preset,
  },
  {
    keys: /^augment\.local\b/,
    reader: 'objective dino, ibot or dinov2',
    isThere: ({ objective }) => ['dino', 'ibot', 'dinov2'].includes(objective),
    there: ({ objective }) => objective,
  },
  {
    keys: /^augment\.local\.(?!count$)/,
    reader: 'augment.local.count 1 or more',
    isThere: ({ augment }) => augment.local.count > 0,
    there: ({ augment }) => `${augment.local.count}`,
  },
  {
    keys: /^init\.(?!file$)/,
    reader: 'init.file (--init)',
    isThere: ({ init }) => init.file !== undefined,
    there: () => 'none',
  },
  {
    keys: /^optim\.betas$/,
    reader: 'optim.algorithm adamw or adam',
    isThere: ({ optim }) => ['adamw', 'adam'].includes(optim.algorithm),
    there: ({ optim }) => optim.algorithm,
  },
  {
    keys: /^optim\.momentum$/,
    reader: 'optim.algorithm lars or sgd',
    isThere: ({ optim }) => ['lars', 'sgd'].includes(optim.algorithm),
    there: ({ optim }) => optim.algorithm,
  },
  {
    keys: /^optim\.clipOver$/,
    reader: 'optim.clipNorm above 0',
    isThere: ({ optim }) => optim.clipNorm > 0,
    there: ({ optim }) => `${optim.clipNorm}`,
  },
  {
    keys: /^optim\.freezeLastLayer\w+$/,
    reader: 'objective dino, ibot or dinov2',
    isThere: ({ objective }) => ['dino', 'ibot', 'dinov2'].includes(objective),
    there: ({ objective }) => objective,
  },
];

/** Throws ConfigError for the first of `settings` (`key.path=value`) that nothing reads under the configuration that they came to. */
export function requireRead(config: Config, settings: readonly string[]): void {
  for (const setting of settings) {
    const key = setting.split('=')[0] ?? '';
    const missing = READERS.find(({ keys, isThere }) => keys.test(key) && !isThere(config));
    if (missing === undefined) continue;
    const { reader, there } = missing;
    throw new ConfigError(
      `--set ${key}: is read by ${reader} only, got ${there(config)}; leave it out, or set both`,
      key,
    );
  }
}
