import assert from 'node:assert/strict';
import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { installZero } from '../support/installed.ts';
import { fixture } from '../support/paths.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

it(
  'while the directories of zero are read-only a deploy is rolled back, the service keeps serving, and the next one succeeds',
  DEADLINE,
  async (t) => {
    // Root may write to any directory.
    const user = IS_ROOT ? account('nobody') : null;
    const folder = user ? sharedFolder(t) : temporaryFolder(t);
    if (user) chownSync(folder, user.uid, user.gid);
    const places = { runtime_directory: join(folder, 'run'), data_directory: join(folder, 'data') };
    const command = [...(user ? asAccount(user) : []), ...installZero(t).command] as [string, ...string[]];
    const zero = startZero(t, {
      folder,
      command,
      config: {
        application: places,
        service: {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: { path: process.execPath, args: [fixture('graceful.js')] },
          options: { reload_uptime: '0s' },
          handover: { settle: '100ms', drain_timeout: '1s' },
        },
      },
    });
    const setMode = (mode: number) => {
      for (const path of [join(folder, 'run', 'notify'), ...Object.values(places)]) chmodSync(path, mode);
    };
    await zero.fact('handover_finished', { outcome: 'promoted' });
    await zero.fact('keeper_started');
    const address = await zero.address('http');
    const incumbent = await whoAnswers(address);

    setMode(0o555);
    const deploy = async (from = zero.cursor) => {
      zero.signal('SIGHUP');
      return zero.fact('handover_finished', {}, from);
    };
    const before = zero.cursor;
    const { outcome, failure } = await deploy();
    assert.deepEqual([outcome, failure?.step], ['rolled_back', 'spawn']);
    assert.match(failure?.reason ?? '', /EACCES/);
    const errors = complaints(zero, ['error'], before).map(({ event }) => event);
    // The state cannot be written either. The history file is already open.
    assert.deepEqual([...new Set(errors)].sort(), ['error', 'handover_finished']);
    assert.equal(errors.length, 2);
    assert.deepEqual(await whoAnswers(address), incumbent);

    setMode(0o755);
    const after = zero.cursor;
    assert.equal((await deploy()).outcome, 'promoted');
    await zero.fact('generation_gone', { generation: 1 }, after);
    assert.deepEqual(complaints(zero, ['error'], after), []);
    assert.equal((await whoAnswers(address)).generation, 3);
  },
);
