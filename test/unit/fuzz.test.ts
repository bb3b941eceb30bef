import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkOne, fuzz } from '../fuzz/run.ts';
import { keptInputs } from '../fuzz/target.ts';
import { TARGETS } from '../fuzz/targets.ts';

/** The number of inputs for each parser. Together they take a few seconds. */
const INPUTS: Readonly<Record<string, number>> = {
  config: 60,
  requests: 150,
  answers: 150,
  notify: 3_000,
  state: 60,
  history: 1_000,
  handed: 3_000,
  output: 3_000,
};

/** The correct outcomes of inputs that once broke a parser. */
const FOUND: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  requests: {
    'found-answered-before-its-end.txt': '404',
    'found-no-host.txt': '400',
    'found-second-request.txt': '404',
    'found-unknown-expectation.txt': '200',
  },
  answers: { 'found-escape-sequence.txt': 'status: shown' },
  handed: {
    'found-many-descriptors.txt': 'refused',
    'found-torn-upgrade.txt': 'none',
  },
  output: { 'found-no-such-day.txt': 'other' },
};

describe('a parser of input from outside returns a valid value or refuses', () => {
  for (const [name, make] of Object.entries(TARGETS)) {
    it(`${name}: every kept input`, async (t) => {
      const target = make();
      t.after(() => target.close?.());
      const found = new Set(Object.keys(FOUND[name] ?? {}));
      for (const [file, input] of keptInputs(name)) {
        const outcome = await checkOne(target, input);
        assert.equal(outcome, FOUND[name]?.[file] ?? outcome, file);
        found.delete(file);
      }
      assert.deepEqual([...found], []);
    });

    it(`${name}: random inputs`, async (t) => {
      const target = make();
      t.after(() => target.close?.());
      const count = INPUTS[name] ?? 0;
      const { outcomes } = await fuzz(target, 1, (inputs) => inputs >= count);
      // The parser does not refuse every input at its first byte.
      assert.ok(outcomes.size > 1, [...outcomes.keys()].join());
    });
  }
});

describe('the fuzzer', () => {
  const material = { corpus: [Buffer.from('1')], words: [] };

  it('reports an exception with its input, and an endless loop', async () => {
    const broken = (check: () => string) => ({ name: 'broken', ...material, check });
    const input = Buffer.from('x');
    const failing = broken(() => {
      throw new TypeError('oops');
    });
    await assert.rejects(checkOne(failing, input), { message: /^broken: TypeError: oops/, input });
    const endless = broken(() => {
      for (;;);
    });
    await assert.rejects(checkOne(endless, input, 50), { message: /timed out/, input });
    const silent = { ...broken(() => ''), check: () => new Promise<string>(() => {}) };
    await assert.rejects(checkOne(silent, input, 50), { message: /no answer within 50 ms/, input });
  });

  it('generates the same inputs from the same seed', async () => {
    const inputsOf = async (seed: number) => {
      const inputs: string[] = [];
      const check = (input: Buffer) => `${inputs.push(input.toString('latin1'))}`;
      await fuzz({ name: 'any', ...material, check }, seed, () => inputs.length >= 50);
      return inputs;
    };
    assert.deepEqual(await inputsOf(7), await inputsOf(7));
    assert.notDeepEqual(await inputsOf(7), await inputsOf(8));
  });
});
