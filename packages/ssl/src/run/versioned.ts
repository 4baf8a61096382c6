/** JSON files that other tools read too: each says its version, and one of another version is not guessed at. */
import { readFileSync } from 'node:fs';
import { RunError, reasonOf } from '../errors.js';

/**
 * The content of a JSON file that says its version. The caller names the type that files of this version have.
 * @throws RunError naming the path when it cannot be read, is no JSON, or is of another version
 */
export function readVersioned(path: string, version: number): unknown {
  const json = readJson(path);
  requireVersion(path, json, version);
  return json;
}

/** The content of a JSON file. Throws RunError naming the path when it cannot be read, or is no JSON. */
export function readJson(path: string): unknown {
  return parseJson(path, readText(path));
}

/** What the content of a file says of its version; undefined where it says none. */
export function versionOf(json: unknown): unknown {
  return typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
}

/** Throws RunError unless the content of a file says this version. */
export function requireVersion(path: string, json: unknown, version: number): void {
  const found = versionOf(json);
  if (found === version) return;
  const text = found === undefined ? 'none' : JSON.stringify(found);
  throw new RunError(`run: ${path} must be of version ${version}, got ${text}; use the halfway that made it`);
}

/** What a text of the file is as JSON. Throws RunError naming the path when it is none. */
export function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): RunError {
  return new RunError(`run: ${path} must be readable, got ${reasonOf(error)}; take it from a copy, or make it anew`);
}
