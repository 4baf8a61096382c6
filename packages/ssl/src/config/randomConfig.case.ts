/** Random configurations made from the schema itself, so that a new key is tried without a change here. */
import * as fc from 'fast-check';
import { configJsonSchema } from './parse.js';

/** The part of JSON Schema that our schema uses. */
interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

const schema = configJsonSchema() as JsonSchema;

/** What `plausibleTree` looks at of a tree. */
interface PartOfTree {
  readonly model?: { readonly patch?: number };
  readonly ibot?: { readonly masks?: { readonly ratios?: readonly (readonly [low: number, high: number])[] } };
}

/**
 * Trees whose every value is of its key's type and range; most rules across keys may be broken. Any key may be left out. Two rules that
 * chance would all but never keep are kept: a side is a multiple of the patch, and a mean share of hidden patches is above its spread.
 */
export function plausibleTree(): fc.Arbitrary<object> {
  return (valueOf(schema) as fc.Arbitrary<PartOfTree>).map(({ model, ibot, ...tree }) => {
    const ratios = ibot?.masks?.ratios?.map(([low, high]) => [(low + high) / 2, (high - low) / 2]);
    return {
      ...tree,
      model: { ...model, imagePx: (model?.patch ?? 16) * 2 },
      ...(ibot && { ibot: { ...ibot, ...(ratios && { masks: { ...ibot.masks, ratios } }) } }),
    };
  });
}

/** Trees of the right shape with anything at all in some places, and keys that do not exist. */
export function spoiltTree(): fc.Arbitrary<unknown> {
  return spoil(schema);
}

/** Paths of all keys that hold a value, such as `recon.lambda`. */
export function leafKeys(node: JsonSchema = schema, prefix = ''): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
    child.properties === undefined ? [`${prefix}${key}`] : leafKeys(child, `${prefix}${key}.`),
  );
}

function valueOf(node: JsonSchema): fc.Arbitrary<unknown> {
  if (node.enum !== undefined) return fc.constantFrom(...node.enum);
  if (node.prefixItems !== undefined) {
    const inOrder = (values: unknown[]): unknown[] => values.sort((a, b) => Number(a) - Number(b));
    return fc.tuple(...node.prefixItems.map(valueOf)).map(inOrder);
  }
  switch (node.type) {
    case 'object':
      return fc.record(
        Object.fromEntries(Object.entries(node.properties ?? {}).map(([key, child]) => [key, valueOf(child)])),
        { requiredKeys: [] },
      );
    case 'array':
      return fc.array(valueOf(node.items ?? {}), { minLength: 1, maxLength: 4 });
    case 'boolean':
      return fc.boolean();
    case 'string':
      return fc.stringMatching(new RegExp(node.pattern ?? '.'));
    case 'integer':
      return fc.integer({
        min: node.minimum ?? (node.exclusiveMinimum ?? 0) + 1,
        max: Math.min(node.maximum ?? 512, 512),
      });
    case 'number': {
      const low = node.minimum ?? (node.exclusiveMinimum === undefined ? -10 : node.exclusiveMinimum + 1e-3);
      const high = node.maximum ?? (node.exclusiveMaximum === undefined ? 100 : node.exclusiveMaximum - 1e-3);
      return fc.double({ min: low, max: high, noNaN: true });
    }
    default:
      throw new Error(`randomConfig: must know every type of the schema, got ${JSON.stringify(node)}`);
  }
}

function spoil(node: JsonSchema): fc.Arbitrary<unknown> {
  const own =
    node.properties === undefined
      ? valueOf(node)
      : fc.record(
          {
            ...Object.fromEntries(Object.entries(node.properties).map(([key, child]) => [key, spoil(child)])),
            unheardOf: fc.anything(),
          },
          { requiredKeys: [] },
        );
  return fc.oneof({ weight: 12, arbitrary: own }, { weight: 1, arbitrary: fc.anything() });
}
