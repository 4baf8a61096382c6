/** Recipes: YAML files, one a run, whose header says where it comes from, what to type and what to expect. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { ConfigError, reasonOf } from '../errors.js';
import { nearestName } from './nearestName.js';
import { parseConfig } from './parse.js';
import { requireRead } from './readSettings.js';
import type { Config } from './schema.js';
import { applySettings } from './settings.js';

const RECIPES = fileURLToPath(new URL('../../recipes', import.meta.url));

/**
 * The configuration of a recipe with `key.path=value` settings applied.
 * @param nameOrFile a name such as `small/vicreg-rot`, or the path of a .yaml file
 * @throws ConfigError
 */
export function loadRecipe(nameOrFile: string, settings: readonly string[] = []): Config {
  const path = recipePath(nameOrFile);
  const config = parseConfig(applySettings(readYaml(path), settings), nameOrFile);
  requireRead(config, settings);
  return config;
}

/** Names of the recipes that come with the program. */
export function recipeNames(): string[] {
  return readdirSync(RECIPES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

/** A complete configuration as YAML text, every default written out. */
export function configText(config: Config): string {
  return stringify(config);
}

/** The configuration that `configText` wrote to a file. */
export function readConfigFile(path: string): Config {
  return parseConfig(readYaml(path), path);
}

function recipePath(nameOrFile: string): string {
  const shipped = `${RECIPES}/${nameOrFile}.yaml`;
  if (existsSync(shipped)) return shipped;
  if (/\.ya?ml$/.test(nameOrFile) && existsSync(nameOrFile)) return nameOrFile;
  const nearest = nearestName(nameOrFile, recipeNames());
  const hint = nearest === undefined ? `there are ${recipeNames().join(', ')}` : `did you mean ${nearest}?`;
  throw new ConfigError(`--recipe: must be the name of a recipe or a .yaml file, got ${nameOrFile}; ${hint}`);
}

function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path}: must be readable YAML, got ${reasonOf(error)}`);
  }
}
