import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '../../../src/cli/status.ts';
import { Screen } from '../../support/screen.ts';
import { STATUS } from '../control/fake-control.ts';
import { cliFixture } from './fixture.ts';

const SIZE = { columns: 80, rows: 24 };
const WATCH = { json: false, watch: true };

test('status --watch redraws on each event, and each second', async (t) => {
  const at = cliFixture(t, { size: SIZE });
  const { control, views } = await at.run('example');
  const code = status(WATCH, at.context);
  await at.printed('generation 3  serving');
  const [generation] = STATUS.generations;
  control.document = {
    ...STATUS,
    generations: generation ? [generation, { ...generation, id: 4, stage: 'starting' }] : [],
  };
  views.events.report({ event: 'handover_started', handover: 2, incumbent: 3, by: 'SIGHUP' });
  await at.printed('generation 4  starting');
  control.document = { ...STATUS, uptime_ms: 99_000 };
  at.tick();
  await at.printed('up 1m39s');
  at.interrupt();
  assert.deepEqual([await code, at.err()], [0, '']);
  const screen = new Screen(SIZE);
  screen.write(at.out().replaceAll('\n', '\r\n'));
  assert.deepEqual(screen.window.slice(0, 3), [
    'example  zero 1.2.3, pid 4242, up 1m39s',
    '',
    'generation 3  serving for 1m, 17 connections  /usr/bin/example',
  ]);
  assert.ok(!screen.text.includes('generation 4'));
});

test('status --watch is refused without a terminal, with the alternative', async (t) => {
  const at = cliFixture(t);
  await at.run('example');
  assert.equal(await status(WATCH, at.context), 2);
  assert.match(at.err(), /^zero status: --watch needs a terminal\. Add --json/);
});

test('status --watch --json prints a line for each change, and none for elapsed time', async (t) => {
  const at = cliFixture(t);
  const { control, views } = await at.run('example');
  const code = status({ json: true, watch: true }, at.context);
  await at.printed('"incumbent":3');
  control.document = { ...STATUS, uptime_ms: 99_000 };
  views.events.report({ event: 'warning', about: 'x', message: 'y' });
  const { asked } = control;
  await control.until(() => control.asked > asked);
  control.document = { ...STATUS, incumbent: 4 };
  views.events.report({ event: 'generation_promoted', generation: 4, previous: 3 });
  await at.printed('"incumbent":4');
  at.interrupt();
  assert.equal(await code, 0);
  const lines = at.out().trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).incumbent),
    [3, 4],
  );
});

test('status --watch ends when zero announces its exit', async (t) => {
  const at = cliFixture(t, { size: SIZE });
  const { server } = await at.run('example');
  const code = status(WATCH, at.context);
  await at.printed('generation 3');
  await server.close();
  assert.deepEqual([await code, at.err()], [0, 'zero has stopped\n']);
});
