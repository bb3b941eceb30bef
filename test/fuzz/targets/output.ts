import assert from 'node:assert/strict';
import { outputLines, parseOutputLine } from '../../../src/workers/output/output-line.ts';
import { corpusOf, type Target } from '../target.ts';

/** Lines of the output files, which `zero logs` reads. */
export const output: Target = {
  name: 'output',
  corpus: corpusOf('output'),
  words: [' stdout F:g1.w0 ', ' stderr P:g2.w1 ', '2026-11-26T17:00:00.123Z', 'T24:00:00.000Z', '-13-99T'],
  check(input) {
    const kinds = new Set<string>();
    for (let at = 0; at <= input.length; ) {
      const end = input.indexOf(10, at) < 0 ? input.length : input.indexOf(10, at);
      const line = input.subarray(at, end);
      at = end + 1;
      const found = parseOutputLine(line);
      kinds.add(found === null ? 'other' : 'line');
      if (found === null) continue;
      const { text, isPartial, ...source } = found;
      assert.ok(Number.isSafeInteger(source.time), `not a time: ${source.time}`);
      const bytes = isPartial ? text : Buffer.concat([text, Buffer.from('\n')]);
      const written = outputLines(source, bytes, !isPartial);
      assert.deepEqual(parseOutputLine(written.subarray(0, -1)), found);
    }
    return [...kinds].sort().join(' ');
  },
};
