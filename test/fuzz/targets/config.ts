import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { adviceOn } from '../../../src/config/advice.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { printConfig } from '../../../src/config/print.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { ROOT } from '../../support/paths.ts';
import { corpusOf, type Target } from '../target.ts';

/** Masked values differ from the secrets, so the comparison omits secrets. */
const WITHOUT_SECRETS = /\*\*\*/;

/** The text of a config file. */
export const config: Target = {
  name: 'config',
  corpus: corpusOf('config', [readFileSync(join(ROOT, 'config.example.yaml'))]),
  words: [
    'service:',
    'listeners:',
    '- name: ',
    'address: ',
    'runtime:',
    'path: ',
    '  ',
    '&a ',
    '*a',
    '<<: *a',
    '!!binary ',
    '? ',
    '|\n',
    '---\n',
    '# ',
    '${fd.http}',
    '1h30m',
    'unix:@x',
    'tcp6:[::1]:80',
    '128MiB',
  ],
  check(input) {
    const text = input.toString();
    const parsed = parseConfig(text, 'zero.yaml');
    if ('problems' in parsed) {
      assert.ok(parsed.problems.length > 0, 'refused without a problem');
      const lines = text.split('\n').length;
      for (const problem of parsed.problems) {
        assert.ok(problem.line >= 0 && problem.line <= lines + 1, `line ${problem.line} of ${lines}`);
        assert.ok(problem.message.length > 0);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: no message may control the terminal.
        assert.ok(!/[\u0000-\u001f]/.test(formatProblem(problem)), 'a control character in a message');
      }
      return 'problems';
    }
    adviceOn(parsed.config);
    const printed = printConfig(parsed.config);
    if (WITHOUT_SECRETS.test(printed)) return 'config with secrets';
    const again = parseConfig(printed, 'zero.yaml');
    assert.ok('config' in again, `the printed config is refused:\n${printed}\n${JSON.stringify(again)}`);
    assert.deepEqual(again.config, parsed.config);
    return 'config';
  },
};
