import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import type { HistoryDocument } from '../../src/control/protocol.ts';
import { command, startCommand } from '../support/command.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import type { Puppet } from '../support/puppet.ts';
import { becomeReady, startServing } from '../support/puppet-service.ts';
import { reversed } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

async function ready(puppet: Puppet): Promise<void> {
  await puppet.listen({ name: 'http' });
  await becomeReady(puppet);
}

describe('zero reload --label', () => {
  it(
    'with two labels is two requests, and one without a label is merged with either',
    DEADLINE,
    async (test) => {
      const t = reversed(test);
      const { zero, puppets } = await startServing(t);
      const current = startCommand(t, zero, ['reload', '--label', 'v1']);
      const first = await puppets.next();
      // These wait behind it. A signal requests the current files.
      let from = zero.cursor;
      const second = startCommand(t, zero, ['reload', '--label', 'v2']);
      await zero.fact('reload_requested', { merged: true }, from);
      from = zero.cursor;
      zero.signal('SIGHUP');
      await zero.fact('reload_requested', { by: 'SIGHUP' }, from);
      from = zero.cursor;
      const third = startCommand(t, zero, ['reload', '--label', 'v3']);
      await zero.fact('reload_requested', { by: 'zero reload' }, from);
      const replaced = await second.finished;
      assert.equal(replaced.code, 14);
      assert.match(replaced.stderr, /replaced in the queue by a request of zero reload for a reload of v3/);
      from = zero.cursor;
      const plain = startCommand(t, zero, ['reload', '--json']);
      await zero.fact('reload_requested', { by: 'zero reload' }, from);

      await ready(first);
      assert.match((await current.finished).stdout, /^handover 2 \(v1\) promoted/);
      await ready(await puppets.next());
      const [labelled, unlabelled] = await Promise.all([third.finished, plain.finished]);
      assert.match(labelled.stdout, /^handover 4 \(v3\) promoted/);
      const { handover, generation, label } = JSON.parse(unlabelled.stdout);
      assert.deepEqual([unlabelled.code, handover, generation, label], [0, 4, 3, 'v3']);

      const { generations }: HistoryDocument = JSON.parse(
        (await command(t, zero, 'history', '--json')).stdout,
      );
      assert.deepEqual(
        generations.map(({ release }) => release?.label),
        [undefined, 'v1', 'v3'],
      );
      assert.equal(zero.log.all('handover_started').length, 3);
    },
  );

  it('shows a failed release too', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, puppets } = await startServing(t);
    const reloading = startCommand(t, zero, ['reload', '--label', 'v9']);
    await (await puppets.next()).exit(3);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 10);
    assert.match(stderr, /^handover 2 \(v9\) rolled back after .*: generation 1 keeps serving\n/);
    const { stdout } = await command(t, zero, 'history');
    assert.match(stdout, /^ {7}v9 {2}/m);
  });

  it('with an invalid label exits with 2 and sends no request', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero } = await startServing(t);
    const [program, script] = ZERO_COMMAND;
    // Bytes that are not UTF-8 cannot be an argument of Node's own spawn.
    const shell = `exec "$1" "$2" reload --config "$3" --label "$(printf -- "$4")"`;
    const refused: readonly (readonly [label: string, message: RegExp])[] = [
      ['', /^zero reload: --label is empty\n$/],
      ['a\\nb', /^zero reload: --label contains the control or invisible character U\+000A\n$/],
      ['a\\033[2Jb', /^zero reload: --label contains the control or invisible character U\+001B\n$/],
      ['a\\377b', /^zero reload: --label is not valid UTF-8\n$/],
      ['x'.repeat(100_000), /^zero reload: --label has 100000 characters\. Use at most 128\.\n$/],
      ['--preview', /^zero reload: --label begins with "-"\. Is its value missing\?\n$/],
    ];
    for (const [label, message] of refused) {
      const { status, stderr } = spawnSync(
        'sh',
        ['-c', shell, 'sh', program, script, String(zero.config), label],
        {
          encoding: 'utf8',
          env: { ...process.env, ZERO_CONFIG: '' },
        },
      );
      assert.equal(status, 2, stderr);
      assert.match(stderr, message);
    }
    assert.deepEqual(zero.log.all('reload_requested'), []);
  });
});
