import assert from 'node:assert/strict';
import { lineReader, writeLine } from '../../../src/history/format/format.ts';
import { corpusOf, type Target } from '../target.ts';
import { formatsLike } from './formats.ts';

const read = lineReader();

/** Lines of the history file. */
export const history: Target = {
  name: 'history',
  corpus: corpusOf('history', formatsLike(/^history-.*\.jsonl$/).flatMap(linesIn)),
  words: [
    '"event":',
    '"version":2',
    '"generation":',
    '"release":',
    '"at":',
    '"time":',
    '"handover_finished"',
  ],
  check(input) {
    const kinds = new Set<string>();
    for (const text of input.toString().split('\n')) {
      const found = read(text);
      kinds.add(found.kind);
      if (found.kind !== 'line') continue;
      assert.ok(Number.isFinite(Date.parse(found.line.at)), `not a time: ${found.line.at}`);
      const again = read(writeLine(found.line));
      // JSON does not support -0.
      assert.equal(JSON.stringify(again), JSON.stringify(found));
    }
    return [...kinds].sort().join(' ');
  },
};

function linesIn(file: Buffer): Buffer[] {
  return file
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line));
}
