import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HandoverProgress } from '../../../../src/cli/render/handover-progress.ts';
import { renderHistory } from '../../../../src/cli/render/history.ts';
import { renderFact } from '../../../../src/cli/render/progress.ts';
import { renderStatus } from '../../../../src/cli/render/status.ts';
import { painter } from '../../../../src/cli/render/style.ts';
import { renderVerdict } from '../../../../src/cli/render/verdict.ts';
import { answers } from '../../../../src/control/documents.ts';
import { leavesOf, withLeaf } from '../../../support/leaves.ts';
import { ROOT } from '../../../support/paths.ts';

const FOLDER = join(ROOT, 'test/fixtures/formats/control-1');
const plain = painter(false);

interface Recorded {
  readonly answer: { readonly status: number; readonly body?: object; readonly lines?: readonly string[] };
}

/** Recorded documents of supervisors, by file name. */
function documentsIn(name: RegExp): [string, object][] {
  return readdirSync(FOLDER)
    .filter((file) => name.test(file))
    .flatMap((file) => {
      const { answer }: Recorded = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
      const lines = (answer.lines ?? []).map((line): object => JSON.parse(line));
      return [...(answer.body ? [answer.body] : []), ...lines].map((one): [string, object] => [file, one]);
    });
}

/** Erases the screen, in a document from a supervisor of another user. */
const ESCAPE = '\u001b[2J';

const RENDERED = {
  status: [/^status/, (value) => renderStatus(answers.status.parse(value), plain)],
  history: [/^history/, (value) => renderHistory(answers.history.parse(value), plain)],
  'lines of a handover': [
    /^(reload|rollback)/,
    (value) => {
      const line = answers.reload.parse(value);
      if ('verdict' in line) return renderVerdict(line.verdict, plain, 80);
      if (!('fact' in line)) return '';
      const progress = new HandoverProgress();
      return [renderFact(line.fact), progress.tell(line.fact, 0), progress.current(0)].join('');
    },
  ],
} satisfies Record<string, [RegExp, (value: unknown) => string]>;

describe('control characters in a document of a supervisor do not reach the terminal', () => {
  for (const [what, [name, render]] of Object.entries(RENDERED))
    it(`in the ${what}`, () => {
      const found = documentsIn(name);
      assert.ok(found.length > 0);
      for (const [file, document] of found) {
        for (const leaf of leavesOf(document)) {
          if (typeof leaf.value !== 'string') continue;
          const text = render(withLeaf(document, leaf, ESCAPE));
          assert.ok(!text.includes('\u001b'), `${file}: ${leaf.path}: ${JSON.stringify(text)}`);
        }
      }
    });
});
