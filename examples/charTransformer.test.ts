import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { Alphabet, CharTransformer, continueText, evaluate, train } from './charTransformer.js';

const text = 'a state that is halfway between two views; '.repeat(20);
const alphabet = new Alphabet(text);
const numCharacters = alphabet.characters.length;
const config = { numCharacters, contextLength: 16, depth: 2, dim: 32, numHeads: 2, dropoutRate: 0.1 };

describe('the character model', () => {
  it('learns a text that repeats: the loss falls to almost nothing, and it goes on where the prompt ends', () => {
    const rng = torch.generator(0);
    const model = new CharTransformer(config, rng);
    const ids = alphabet.encode(text);
    const losses = train(model, ids, rng, { numSteps: 150, batchSize: 16, lr: 1e-2 });
    expect(losses[0]).toBeCloseTo(Math.log(numCharacters), 1); // knows nothing
    expect(losses.at(-1)).toBeLessThan(0.1 * (losses[0] ?? 0));
    expect(evaluate(model, ids)).toBeLessThan(0.2); // the first characters of a window have little before them
    const prompt = 'a state that is half';
    expect(alphabet.decode(continueText(model, alphabet.encode(prompt), 4, rng))).toBe(`${prompt}way `);
  });

  it('no character sees those after it', () => {
    torch.scope(() => {
      const rng = torch.generator(0);
      const model = new CharTransformer(config, rng);
      const logitsOf = (sentence: string): torch.Tensor =>
        model.forward(alphabet.encode(sentence).unsqueeze(0), { train: false, computeDtype: 'float32' });
      const [one, other] = [logitsOf('between'), logitsOf('betwhat')];
      const before = { end: 4 };
      expect(one.at(':', before).equal(other.at(':', before))).toBe(true);
      expect(one.at(':', 4).equal(other.at(':', 4))).toBe(false);
    });
  });

  it('names a character that it does not know', () => {
    expect(() => alphabet.encode('halfway?')).toThrow('the text to learn from has no "?"');
  });
});
