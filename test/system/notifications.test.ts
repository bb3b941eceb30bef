import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { command } from '../support/command.ts';
import { startCrashing } from '../support/crashing.ts';
import { requireProgram } from '../support/debian.ts';
import { freeze } from '../support/freeze.ts';
import { ROOT } from '../support/paths.ts';
import { becomeReady, nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { keeperPid, killSupervisor, startSurvivor, supervisorPid } from '../support/survivor.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { sendRequests } from '../support/waiting-request.ts';
import { startWebhook } from '../support/webhook.ts';
import { DEADLINE } from '../support/zero.ts';

const execute = promisify(execFile);

const example = (name: string) => join(ROOT, 'examples', 'notifications', name);

const hasCurl = (t: TestContext) => requireProgram(t, 'curl', 'curl') !== null;

/** A command `sendmail` that writes its arguments and the mail to a file. */
function fakeSendmail(scope: Scope): { readonly path: string; readonly mail: string } {
  const folder = temporaryFolder(scope);
  const mail = join(folder, 'mail');
  const program = join(folder, 'sendmail');
  writeFileSync(program, `#!/bin/sh\n{ printf 'arguments: %s\\n' "$*"; cat; } > ${mail}\n`);
  chmodSync(program, 0o755);
  return { path: `${folder}:${process.env.PATH}`, mail };
}

/** A hook that appends a line with its event and its reason to a file. */
function book(scope: Scope, more = ''): { readonly run: string[]; lines(): string[] } {
  const file = join(temporaryFolder(scope), 'book');
  return {
    run: ['sh', '-c', `echo "$ZERO_EVENT $ZERO_GENERATION: $ZERO_REASON" >> ${file}; ${more}`],
    lines: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []),
  };
}

describe('a service in a crash loop', () => {
  it('sends one webhook, and the log never contains the secret of its URL', DEADLINE, async (t) => {
    if (!hasCurl(t)) return;
    const webhook = await startWebhook(t);
    const run = [example('webhook.sh'), webhook.config];
    const { zero, crash } = await startCrashing(t, { on_crash_loop: { run } });
    await crash(30);
    await zero.fact('hook_finished', { hook: 'on_crash_loop' });
    const [{ path, authorization, contentType, document } = assert.fail('a request'), ...more] =
      webhook.delivered.entries;
    assert.deepEqual(more, []);
    const { secret } = webhook;
    assert.deepEqual(
      [path, authorization, contentType],
      [`/${secret}`, `Bearer ${secret}`, 'application/json'],
    );
    const { time, ...rest } = document;
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000, String(time));
    const reason = 'worker 0 was restarted 5 times in a row: exited with code 3';
    assert.deepEqual(rest, {
      event: 'on_crash_loop',
      name: 'test',
      host: hostname(),
      message: `test: worker 0 of generation 1 is in a crash loop: ${reason}`,
      handover: null,
      generation: 1,
      release: '/bin/sh',
      incumbent: 1,
      outcome: null,
      worker: 0,
      replacement: null,
      cause: null,
      reason,
    });
    const loops = zero.log.all('crash_loop').map(({ worker, restarts }) => [worker, restarts]);
    assert.deepEqual(loops, [[0, 5]]);
    assert.equal(zero.log.all('hook_started').length, 1);
    assert.equal(zero.log.text.includes(secret), false);
  });
});

describe('a worker that is hung', () => {
  it(
    'sends a message to Slack, and a webhook that refuses is reported without an effect',
    DEADLINE,
    async (t) => {
      if (!hasCurl(t)) return;
      const webhook = await startWebhook(t);
      const { zero, puppets, incumbent } = await startServing(t, {
        handover: { mode: 'auto', stall: '1s', settle: '0s' },
        hooks: { on_worker_stalled: { run: [example('slack.sh'), webhook.config] } },
      });
      const { pid } = incumbent;
      const reason = 'worker 0 is hung: connections wait for it and it has accepted none for 1s';
      for (const status of [200, 403]) {
        webhook.answer(status);
        const { cursor } = zero;
        await freeze({ pid });
        const requests = await sendRequests(t, await zero.address('http'), 2);
        const { failure } = await zero.fact('hook_finished', {}, cursor);
        if (status === 200) assert.equal(failure, null);
        else assert.match(failure?.reason ?? '', /^exited with code 22$/);
        const rescuer = await puppets.next();
        await rescuer.listen({ name: 'http' });
        for (const request of requests) assert.equal((await request.answer).pid, rescuer.pid);
        process.kill(pid, 'SIGCONT');
        await zero.fact('worker_stall_ended', { worker: 0, how: 'recovered' }, cursor);
        await zero.fact('worker_exited', { pid: rescuer.pid, expected: true });
      }
      assert.deepEqual(
        webhook.delivered.entries.map(({ document }) => document),
        Array(2).fill({ text: `test: worker 0 of generation 1 is hung: ${reason}` }),
      );
      assert.equal(zero.log.text.includes(webhook.secret), false);
    },
  );
});

describe('a generation that fails after its promotion', () => {
  it(
    'sends an email when it is rolled back in the soak, and after_rollback runs as well',
    DEADLINE,
    async (t) => {
      const sendmail = fakeSendmail(t);
      const rolledBack = book(t);
      const sections = {
        handover: { mode: 'steered', soak: '1h' },
        hooks: {
          on_late_rollback: { run: [example('email.sh'), 'ops@example.org'] },
          after_rollback: { run: rolledBack.run },
        },
      } as const;
      const service = await startServing(t, sections, { environment: { PATH: sendmail.path } });
      const { zero, puppets, incumbent } = service;
      service.reload();
      const candidate = await nextReady(puppets);
      await zero.fact('handover_step', { step: 'soak' });
      await candidate.exit(7);
      const { failure, output } = await zero.fact('hook_finished', { hook: 'on_late_rollback' });
      assert.deepEqual([failure, output], [null, []]);
      const reason = 'exited with code 7';
      assert.deepEqual(readFileSync(sendmail.mail, 'utf8').split('\n').slice(0, 9), [
        'arguments: -i ops@example.org',
        'To: ops@example.org',
        'Subject: zero: on_late_rollback of test',
        'MIME-Version: 1.0',
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: 8bit',
        'Auto-Submitted: auto-generated',
        '',
        `test: generation 2 was rolled back after its promotion, and generation 1 serves: ${reason}`,
      ]);
      await zero.fact('hook_finished', { hook: 'after_rollback' });
      assert.equal(rolledBack.lines().length, 1);
      assert.equal((await whoAnswers(await zero.address('http'))).pid, incumbent.pid);
    },
  );
});

describe('a supervisor that is killed', () => {
  it('runs on_recovery once, even if it is killed again during that hook', DEADLINE, async (t) => {
    const go = join(temporaryFolder(t), 'go');
    const notes = book(t, `while ! [ -e ${go} ]; do sleep 0.1; done`);
    const service = await startSurvivor(t, { hooks: { on_recovery: { run: notes.run } } });
    const { zero } = service;
    await keeperPid(zero);
    const first = supervisorPid(zero);
    await killSupervisor(service);
    await zero.fact('hook_started', { hook: 'on_recovery' });
    const { cursor } = zero;
    await killSupervisor(service);
    await keeperPid(zero);
    writeFileSync(go, '');
    await zero.fact('hook_finished', { hook: 'on_recovery' }, cursor);
    assert.deepEqual(notes.lines(), [
      `on_recovery 1: the supervisor (pid ${first}) died, and another one continues its service`,
    ]);
    // No process of it runs any more, so the next recovery runs it again.
    const { cursor: after } = zero;
    await killSupervisor(service);
    const { failure } = await zero.fact('hook_finished', { hook: 'on_recovery' }, after);
    assert.equal(failure, null);
    assert.equal(notes.lines().length, 2);
  });
});

describe('a slow notification', () => {
  it('delays no reload, and is ended by a stop', DEADLINE, async (t) => {
    const hang = { run: ['sleep', '1000'], timeout: '1h' };
    const service = await startServing(t, {
      handover: { mode: 'auto', stall: '1s' },
      hooks: { on_worker_stalled: hang, before_reload: { run: ['true'] }, after_promote: { run: ['true'] } },
    });
    const { zero, puppets, incumbent } = service;
    await freeze({ pid: incumbent.pid });
    const requests = await sendRequests(t, await zero.address('http'), 1);
    await zero.fact('hook_started', { hook: 'on_worker_stalled' });
    const reload = command(t, zero, 'reload');
    // The first one is the rescue worker.
    const candidate = await puppets.nextOf(2);
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    process.kill(incumbent.pid, 'SIGCONT');
    assert.equal((await reload).code, 0);
    for (const request of requests) await request.answer;
    assert.equal((await whoAnswers(await zero.address('http'))).pid, candidate.pid);
    assert.deepEqual(
      zero.log.all('hook_finished', { hook: 'on_worker_stalled' }).map(({ failure }) => failure),
      [],
    );
    const stop = await command(t, zero, 'stop');
    assert.equal(stop.code, 0, stop.stderr);
    const { failure } = await zero.fact('hook_finished', { hook: 'on_worker_stalled' });
    assert.match(failure?.reason ?? '', /stopped by/);
  });
});

describe('the scripts of examples/notifications', () => {
  const HOSTILE = `a "quote", a \\backslash\\, $(id) \`id\` <b>&amp; 'x' \\u0041 é 漢`;

  it('send any text unchanged', DEADLINE, async (t) => {
    if (!hasCurl(t)) return;
    const webhook = await startWebhook(t);
    const sendmail = fakeSendmail(t);
    const environment = {
      PATH: sendmail.path,
      ZERO_EVENT: 'on_crash_loop',
      ZERO_NAME: 'test',
      ZERO_GENERATION: '1',
      ZERO_RELEASE: '/srv/app',
      ZERO_MESSAGE: HOSTILE,
      ZERO_JSON: JSON.stringify({ message: HOSTILE }),
    };
    for (const [name, argument] of [
      ['webhook.sh', webhook.config],
      ['slack.sh', webhook.config],
      ['email.sh', 'ops@example.org'],
    ] as const)
      assert.deepEqual(await execute(example(name), [argument], { env: environment }), {
        stdout: '',
        stderr: '',
      });
    const [json, slack] = webhook.delivered.entries;
    assert.deepEqual(json?.document, { message: HOSTILE });
    const escaped = HOSTILE.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    assert.deepEqual(slack?.document, { text: escaped });
    assert.ok(readFileSync(sendmail.mail, 'utf8').split('\n').includes(HOSTILE));
  });

  it('report a missing argument', () => {
    for (const name of ['webhook.sh', 'slack.sh', 'email.sh']) {
      const { status, stderr } = spawnSync(example(name), { encoding: 'utf8' });
      assert.equal(status, 2);
      assert.match(stderr, /is missing/);
    }
  });
});
