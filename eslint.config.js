// Lint: type-aware TypeScript rules, and the arrows between folders (docs/architecture.md draws them).
import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

/** Who may import whom inside packages/ssl/src: a folder and the folders it may import. */
const SSL_ARROWS = {
  root: [
    'protocol',
    'config',
    'run',
    'interop',
    'data',
    'transforms',
    'models',
    'objectives',
    'train',
    'eval',
    'reproduce',
  ],
  protocol: [],
  config: ['root', 'protocol'],
  transforms: ['root', 'config'],
  models: ['root', 'config'],
  run: ['root', 'protocol', 'config', 'models'],
  interop: ['root', 'protocol', 'config', 'models', 'run'],
  data: ['root', 'protocol', 'config', 'transforms'],
  objectives: ['root', 'config', 'models', 'transforms'],
  train: ['root', 'protocol', 'config', 'run', 'interop', 'data', 'transforms', 'models', 'objectives'],
  eval: ['root', 'protocol', 'config', 'run', 'data', 'transforms', 'models'],
  reproduce: ['root', 'protocol', 'config', 'run', 'data', 'train', 'eval'],
  cli: ['root', 'protocol', 'config', 'run', 'interop', 'data', 'train', 'eval', 'reproduce'],
};

/** Who may import whom inside packages/torch/src. */
const TORCH_ARROWS = {
  'torch-root': ['torch-setup'],
  'torch-setup': ['torch-root'],
  'torch-nn': ['torch-root'],
  'torch-optim': ['torch-root', 'torch-nn'],
  'torch-io': ['torch-root'],
  'torch-testing': ['torch-root', 'torch-nn'],
};

const elementOf = (prefix, path) => (name) => ({
  type: name,
  pattern: name.endsWith('root') ? path : `${path}/${name.slice(prefix.length)}`,
  partialMatch: false,
});
const elements = [
  ...Object.keys(SSL_ARROWS).map(elementOf('', 'packages/ssl/src')),
  ...Object.keys(TORCH_ARROWS).map(elementOf('torch-', 'packages/torch/src')),
].sort((a, b) => b.pattern.length - a.pattern.length);

const policies = [
  ...Object.entries({ ...SSL_ARROWS, ...TORCH_ARROWS }).map(([from, to]) => ({
    from: { element: { type: from } },
    allow: { to: { element: { types: { anyOf: [from, ...to] } } } },
  })),
  // An objective says what it asks of a batch and reads what it gets: the types of the border, and nothing that loads photos.
  {
    from: { element: { type: 'objectives' } },
    allow: { to: { file: { categories: 'batch' } }, dependency: { kind: 'type' } },
  },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.peers/**', 'runs/**', 'docs/api/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // process.env and JSON have no known keys; tsc's noPropertyAccessFromIndexSignature is the same choice.
      '@typescript-eslint/dot-notation': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
    },
  },
  {
    // Programs whose only way to speak is the console.
    files: ['examples/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // Generated overloads follow PyTorch's schemas one by one.
    files: ['**/*.gen.ts'],
    rules: {
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.case.ts'],
    plugins: { boundaries },
    settings: {
      'boundaries/elements': elements,
      'boundaries/files': [{ category: 'batch', pattern: 'packages/ssl/src/data/batch.ts' }],
      'import/resolver': { typescript: { project: ['packages/*/tsconfig.json'], noWarnOnMultipleProjects: true } },
    },
    rules: {
      'boundaries/dependencies': ['error', { default: 'disallow', checkInternals: true, policies }],
      'boundaries/no-unknown-files': 'error',
    },
  },
);
