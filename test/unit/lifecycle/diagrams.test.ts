import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../support/paths.ts';

/** The type with the states of each file. */
const STATES = { worker: 'WorkerLife', generation: 'Stage', handover: 'HandoverStep', lane: 'LaneState' };

const architecture = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');

/** The lines of the diagram in the comment at the head of a file. */
function diagram(source: string): string[] {
  const [, comment = ''] = /^\/\*\n(.*?)\n \*\//s.exec(source) ?? [];
  const lines = comment.split('\n').map((line) => line.slice(3));
  const drawn = lines.flatMap((line, index) => (line.startsWith('  ') ? [index] : []));
  return lines.slice(drawn[0], (drawn.at(-1) ?? -1) + 1);
}

/** The names in a union of states. */
function states(source: string, type: string): string[] {
  const [, union = ''] = new RegExp(`export type ${type} =\\n(.*?);\\n\\n`, 's').exec(source) ?? [];
  return [...union.matchAll(/name: '(\w+)'/g)].map(([, name = '']) => name);
}

for (const [file, type] of Object.entries(STATES)) {
  const source = readFileSync(join(ROOT, 'src/lifecycle', `${file}.ts`), 'utf8');
  describe(`the state diagram of lifecycle/${file}.ts`, () => {
    it('shows every state', () => {
      const text = diagram(source).join('\n');
      const names = states(source, type);
      assert.ok(names.length >= 3, `${type} has states`);
      for (const name of names) assert.match(text, new RegExp(`\\b${name}\\b`));
    });

    it('equals the one in ARCHITECTURE.md', () => {
      const drawn = diagram(source).map((line) => line.slice(2));
      assert.ok(architecture.includes(`\`\`\`text\n${drawn.join('\n')}\n\`\`\``), `copy it from ${file}.ts`);
    });
  });
}
