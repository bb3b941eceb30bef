import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { jsonLine } from '../../../src/telemetry/lines.ts';
import { ROOT } from '../../support/paths.ts';
import { facts } from './facts.ts';

const FILE = 'docs/reference/log.md';
const HEAD = ['time', 'level', 'event', 'message'];
const PARTS = ['exit', 'usage', 'failure'];

/** The cells of every row of the tables in one section. */
function rows(section: string): string[][] {
  const text = readFileSync(join(ROOT, FILE), 'utf8').split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...text.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) => row.split(' | '));
}

const words = (cell = ''): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, word = '']) => word);

/** The JSON log line of each fact. */
const lines = Object.values(facts).map((fact): Record<string, unknown> => JSON.parse(jsonLine(0, fact)));

describe(FILE, () => {
  const events = new Map(
    rows('Events').map(([event, level, fields]) => [words(event)[0], { level, fields }]),
  );

  it('has exactly one row for each event', () => {
    assert.deepEqual([...events.keys()].sort(), Object.keys(facts).sort());
  });

  for (const line of lines) {
    it(`lists the level and the fields of ${line.event}`, () => {
      const row = events.get(String(line.event));
      assert.ok(row, `add it to the table of events in ${FILE}`);
      assert.ok(row.level?.split(', ').includes(String(line.level)), `its level is ${line.level}`);
      const own = line.event === 'warning' || line.event === 'error' ? HEAD.slice(0, 3) : HEAD;
      const fields = Object.keys(line).filter((name) => !own.includes(name));
      assert.deepEqual(words(row.fields).sort(), fields.sort());
    });
  }

  it('lists the parts of every structured field', () => {
    const documented = new Map(rows('Fields with parts').map(([field, parts]) => [words(field)[0], parts]));
    assert.deepEqual([...documented.keys()], PARTS);
    for (const line of lines) {
      for (const [name, value] of Object.entries(line)) {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
        assert.ok(PARTS.includes(name), `${line.event} has a field ${name} with parts`);
        const named = words(documented.get(name));
        for (const part of Object.keys(value)) assert.ok(named.includes(part), `${name} has ${part}`);
      }
    }
  });
});
