import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refusals } from '../../../src/http/refusals.ts';

const HOUR = 3_600_000;

function logged() {
  const lines: string[] = [];
  let now = 0;
  const refusals = new Refusals(
    (message) => lines.push(message),
    () => now,
  );
  return {
    refuse: (client: string) => refusals.report(client, `${client} was refused`),
    later: (ms: number) => {
      now += ms;
    },
    lines: () => lines.splice(0),
  };
}

test('a refused client is reported immediately, and then once an hour with the number of the others', () => {
  const { refuse, later, lines } = logged();
  refuse('a');
  refuse('b');
  assert.deepEqual(lines(), ['a was refused', 'b was refused']);
  for (let count = 0; count < 1000; count += 1) refuse('a');
  later(HOUR - 1);
  refuse('a');
  assert.deepEqual(lines(), []);
  later(1);
  refuse('a');
  assert.deepEqual(lines(), ['a was refused (1001 more times since the last report)']);
  later(HOUR);
  refuse('a');
  assert.deepEqual(lines(), ['a was refused']);
});

test('many refused clients are reported in one line', () => {
  const { refuse, later, lines } = logged();
  for (let client = 0; client < 1000; client += 1) refuse(String(client));
  const found = lines();
  assert.equal(found.length, 9);
  assert.equal(found.at(-1), 'further clients were refused');
  refuse('0');
  assert.deepEqual(lines(), []);
  later(HOUR);
  refuse('new');
  assert.deepEqual(lines(), ['new was refused']);
});
