// What JSON.parse cannot tell or should not try: keys that come twice (it keeps the last) and values nested without end.

/**
 * Says what is wrong with the keys and the nesting of a JSON text, without parsing it; undefined when nothing is.
 * Whether the text is JSON at all is JSON.parse's to say.
 */
export function structureProblem(json: string, maxDepth: number): string | undefined {
  const keysByDepth: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '{' || character === '[') {
      if (keysByDepth.length === maxDepth) return `values nested deeper than ${maxDepth} levels`;
      keysByDepth.push(new Set());
    } else if (character === '}' || character === ']') {
      keysByDepth.pop();
    } else if (character === '"') {
      const end = endOfString(json, i);
      const keys = keysByDepth.at(-1);
      if (keys !== undefined && isFollowedByColon(json, end)) {
        const key = json.slice(i, end + 1);
        // Two spellings of one key (an escape) are one key.
        const plain = key.includes('\\') ? unescaped(key) : key;
        if (keys.has(plain)) return `the key ${key.slice(0, 80)} twice`;
        keys.add(plain);
      }
      i = end;
    }
  }
  return undefined;
}

/** Position of the closing quote, or the end of the text. */
function endOfString(json: string, start: number): number {
  let i = start + 1;
  while (i < json.length && json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
  return i;
}

function isFollowedByColon(json: string, position: number): boolean {
  let i = position + 1;
  while (json[i] === ' ' || json[i] === '\t' || json[i] === '\n' || json[i] === '\r') i++;
  return json[i] === ':';
}

function unescaped(key: string): string {
  try {
    return `"${String(JSON.parse(key))}"`;
  } catch {
    return key; // no JSON; JSON.parse of the whole will say so
  }
}
