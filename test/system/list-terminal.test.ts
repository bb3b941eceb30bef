import assert from 'node:assert/strict';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Operator, ordinaryUser, runIn, startIn, zeroAs } from '../support/operators.ts';
import { fixture } from '../support/paths.ts';
import type { Screen } from '../support/screen.ts';
import type { Scope } from '../support/temporary.ts';
import { startOnTerminal } from '../support/terminal.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const CANARY = {
  steps: [
    { percent: 5, for: '3s' },
    { percent: 50, for: '1h' },
  ],
};

/** Starts an instance with that name, which serves on a steered listener. */
async function start(scope: Scope, me: Operator, folder: string, name: string): Promise<Zero> {
  const directory = join(folder, name);
  mkdirSync(directory);
  const config = {
    application: { logging: { format: 'json' } },
    service: {
      listeners: [{ name: 'http', address: '127.0.0.1:0' }],
      runtime: { path: process.execPath, args: [fixture('graceful.js')], name },
      options: { reload_uptime: '0s' },
      handover: { mode: 'steered', settle: '200ms', drain_timeout: '1s', canary: CANARY },
    },
  };
  const file = join(directory, 'zero.yaml');
  writeFileSync(file, `${JSON.stringify(config)}\n`);
  if (me.account !== null) chownSync(directory, me.account.uid, me.account.gid);
  const { zero } = await startIn(scope, me, directory);
  return zero;
}

/** The line of an instance. Other instances may run on this machine. */
const rowOf = ({ window }: Screen, name: string) => window.find((line) => line.startsWith(`${name} `)) ?? '';
const row = (name: string, pattern: RegExp) => (screen: Screen) => pattern.test(rowOf(screen, name));

describe('zero list --watch on a terminal of 80 columns', () => {
  it(
    'shows the share of a canary, and instances that start, halt and exit, and ends with Ctrl-C',
    DEADLINE,
    async (t) => {
      const { me, folder } = ordinaryUser(t);
      const shop = await start(t, me, folder, 'shop');
      const { environment } = me;
      const watching = startOnTerminal(t, [...zeroAs(me), 'list', '--watch'], { environment });
      await watching.until(row('shop', /^shop +(nobody +)?up +1 +- +0 +\S+ % +\S+ [KM]iB +\d+m?s \S/));
      assert.match(
        watching.screen.window[0] ?? '',
        /^NAME +(USER +)?STATE +GEN +SHARE +QUEUE +CPU +MEMORY +LAST EVENT$/,
      );

      shop.signal('SIGHUP');
      await watching.until(row('shop', /up, canary +1 +5 % to 2 /));
      await watching.until(row('shop', /up, canary +1 +50 % to 2 /));
      assert.equal((await runIn(t, me, folder, 'promote', '--name', 'shop')).code, 0);
      await watching.until(row('shop', /up +2 +- /));

      const tiles = await start(t, me, folder, 'tiles');
      await watching.until(row('tiles', / up +1 /));
      tiles.signal('SIGSTOP');
      await watching.until(row('tiles', /not answering/));
      // The line of the other instance is drawn while this one does not respond.
      const { pid } = shop.log.all('worker_spawned').at(-1) ?? assert.fail('a worker');
      process.kill(pid, 'SIGKILL');
      await watching.until(row('shop', / \d+m?s work/));
      tiles.signal('SIGCONT');
      await watching.until(row('tiles', / up +1 /));
      assert.equal((await runIn(t, me, folder, 'stop', '--name', 'tiles')).code, 0);
      await watching.until((screen) => rowOf(screen, 'tiles') === '' && rowOf(screen, 'shop') !== '');

      const { wrapped, text, coloured } = watching.screen;
      // The screen has shown only one list, drawn repeatedly.
      assert.deepEqual([wrapped, text.match(/NAME/g)?.length, coloured], [[], 1, true]);
      // The whole screen is never erased, so it does not flicker.
      const frames = watching.raw.split('\u001b[J').length - 1;
      assert.ok(frames > 10, `only ${frames} frames`);
      assert.equal(watching.raw.includes('\u001b[H'), false);

      await watching.resize({ columns: 160, rows: 24 });
      await watching.until(({ window }) => /GEN +SHARE +WORKERS +RESTARTS +QUEUE/.test(window[0] ?? ''));
      await watching.resize({ columns: 40, rows: 24 });
      await watching.until(
        (screen) => screen.window.every((line) => line.length <= 40) && rowOf(screen, 'shop') !== '',
      );
      watching.type('\u0003');
      assert.deepEqual(await watching.finished, { code: 0, signal: null });
    },
  );

  it('has no colours with NO_COLOR, and requires a terminal or --json', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    await start(t, me, folder, 'shop');
    const environment = { ...me.environment, NO_COLOR: '1' };
    const watching = startOnTerminal(t, [...zeroAs(me), 'list', '--watch'], { environment });
    await watching.until(row('shop', / up +1 /));
    watching.type('\u0003');
    assert.deepEqual(await watching.finished, { code: 0, signal: null });
    assert.equal(watching.screen.coloured, false);
    const { code, stdout, stderr } = await runIn(t, me, folder, 'list', '--watch');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^zero list: --watch needs a terminal\. Add --json/);
  });
});
