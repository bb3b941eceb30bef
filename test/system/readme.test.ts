import assert from 'node:assert/strict';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { guardProcesses } from '../support/guard.ts';
import { installZero } from '../support/installed.ts';
import { ROOT } from '../support/paths.ts';
import { startOnTerminal, type TerminalSession } from '../support/terminal.ts';
import { readTranscript, startReader, transcriptPattern } from '../support/transcript.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

it(
  'the first five minutes of the README work: a deploy, a bad deploy and a rollback',
  DEADLINE,
  async (t) => {
    if (requireProgram(t, 'curl', 'curl') === null) return;
    // A built checkout with another address.
    const { folder } = installZero(t);
    const address = await freeAddress();
    const here = (text: string) => text.replaceAll('localhost:8080', address);
    for (const part of ['examples', 'scripts', 'package.json'])
      cpSync(join(ROOT, part), join(folder, part), { recursive: true });
    const config = 'config.example.yaml';
    writeFileSync(join(folder, config), here(readFileSync(join(ROOT, config), 'utf8')));
    const { prefix, environment, type } = startReader(t, folder);

    const [start, ...steps] = readTranscript('README.md', 'The first five minutes');
    assert.ok(start);
    assert.equal(start.command, 'npm install && npm start');
    // npm install and the build are already done.
    const [program = '', ...args] = [...prefix, 'npm', 'start', '--silent', '--ignore-scripts'];
    const npm = startZero(t, { folder, command: [program, ...args], environment });
    // npm starts a shell, the shell node, and node zero. Only the test can end zero after a failure.
    guardProcesses(t).own((await npm.fact('supervisor_started')).pid);
    await npm.fact('generation_promoted');
    const shown = npm.log.text.split('\n').filter((line) => /^ {2}(open|reload|stop)/.test(line));
    assert.match(`${shown.join('\n')}\n`, transcriptPattern(start.printed.map(here), '/srv/zero'));

    for (const { command, printed } of steps)
      assert.match(await type(here(command)), transcriptPattern(printed.map(here), '/srv/zero'), command);
    const hello = 'examples/hello/server.mjs';
    assert.equal(readFileSync(join(folder, hello), 'utf8'), readFileSync(join(ROOT, hello), 'utf8'));
    npm.process.kill('SIGTERM');
    await npm.exited;
  },
);

/** The tutorial waits until the log shows this before it runs the command on the left. */
const WAITS: readonly (readonly [RegExp, RegExp])[] = [
  [/^curl --interface/, /handover: preview/],
  [/^zero status/, /handover: canary, 20 %/],
];

it('the tutorial works, from an empty directory to a canary', DEADLINE, async (t) => {
  if (requireProgram(t, 'curl', 'curl') === null) return;
  const { folder } = installZero(t);
  const address = await freeAddress();
  const here = (text: string) =>
    text
      .replaceAll(/(localhost|127\.0\.0\.1):8080/g, address)
      // Durations of the canary, the soak and its checks: long enough for a reader, too long for the test.
      .replaceAll('for: 10s', 'for: 1s')
      // In this step the reader types two commands.
      .replaceAll('for: 30s', 'for: 10s')
      .replaceAll(/soak: \d+s/g, 'soak: 1s')
      .replaceAll(/interval: \d+s/g, 'interval: 500ms');
  symlinkSync('zero.js', join(folder, 'bin', 'zero'));
  const { prefix, environment, type } = startReader(t, folder, { PATH: `${folder}/bin:${process.env.PATH}` });

  let zero: TerminalSession | null = null;
  for (const { command, printed } of readTranscript('docs/tutorial.md')) {
    const pattern = transcriptPattern(printed.map(here), '/home/you');
    if (command === 'zero') {
      const [program = 'sh', ...args] = [...prefix, 'sh', '-c', `cd ${folder}/shop && exec zero`];
      zero = startOnTerminal(t, [program, ...args], { size: { columns: 200, rows: 50 }, environment });
      await zero.until(({ text }) => pattern.test(text));
      continue;
    }
    const [, shown] = WAITS.find(([typed]) => typed.test(command)) ?? [];
    if (shown !== undefined) await zero?.until(({ text }) => shown.test(text));
    assert.match(await type(here(command)), pattern, command);
  }
  assert.ok(zero);
  assert.deepEqual(await zero.finished, { code: 0, signal: null });
});
