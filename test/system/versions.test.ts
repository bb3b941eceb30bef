import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { answers } from '../../src/control/documents.ts';
import { command, startCommand } from '../support/command.ts';
import { assertUntouched, nextReady, startServing } from '../support/puppet-service.ts';
import { rawControl } from '../support/raw-control.ts';
import {
  answerText,
  type RecordedExchange,
  recordedExchanges,
  requestText,
  startFakeSupervisor,
} from '../support/recorded-control.ts';
import { reversed, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';
import { writeConfig } from '../support/zero-config.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const STATUS = { method: 'GET', path: '/v1/status', headers: { Host: 'zero' }, body: '' } as const;

function recorded(name: string): RecordedExchange {
  const found = recordedExchanges(1).find((exchange) => exchange.name === name);
  assert.ok(found, name);
  return found;
}

/** The JSON documents in a response whose lines are not longer than a chunk. */
const documentsOf = (answer: string): unknown[] =>
  answer
    .split(/\r?\n/)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

describe('a command and a supervisor of incompatible versions', () => {
  it('report it in one line, and change nothing', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'control.sock');
    const config = writeConfig(folder, {
      application: { control: { path } },
      service: { runtime: { path: '/bin/true' } },
    });
    const newer = { 'Zero-Protocol': '3', 'Zero-Version': '9.1.0', 'Zero-Name': 'web', 'Zero-Pid': '12' };
    const answer = { status: 200, headers: {}, lines: ['{"nothing":"that this version knows"}'] };
    await startFakeSupervisor(t, path, answerText(answer, newer));
    for (const args of [['status'], ['status', '--json'], ['reload'], ['history'], ['logs'], ['stop']]) {
      const { code, stdout, stderr } = await command(t, { config }, ...args);
      assert.equal(code, 1);
      if (args.includes('--json')) assert.equal(JSON.parse(stdout).error.code, 'incompatible');
      else assert.equal(stdout, '');
      assert.match(
        stderr,
        new RegExp(
          `^zero ${args[0]}: zero 9\\.1\\.0 runs as web \\(pid 12\\), this command is zero \\d+\\.\\d+\\.\\d+, ` +
            'which is too old to control it\\. Use the zero command of version 9\\.1\\.0\\.\n$',
        ),
      );
    }
  });

  it('are also refused by the supervisor, which keeps serving', DEADLINE, async (test) => {
    const t = reversed(test);
    const service = await startServing(t, { handover: QUICK });
    const { zero, incumbent } = service;
    await command(t, zero, 'status');
    const { request } = recorded('stop');
    const tooNew = { ...request, headers: { ...request.headers, 'Zero-Protocol': '3' } };
    const { answer } = await rawControl(t, zero, requestText(tooNew));
    assert.match(
      await answer,
      new RegExp(
        `^HTTP/1\\.1 400 .*\r\nZero-Protocol: 1\r\nZero-Version: \\S+\r\nZero-Name: test\r\nZero-Pid: ${zero.pid}\r\n` +
          '.*"unsupported_protocol"',
        's',
      ),
    );
    await assertUntouched(service, incumbent);
    assert.deepEqual(zero.log.all('stop_requested'), []);
  });
});

describe('a supervisor', () => {
  it('answers the recorded requests of the first version', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    await command(t, zero, 'status');
    const reloading = await rawControl(t, zero, requestText(recorded('reload-promoted').request));
    await nextReady(puppets);
    const verdict = documentsOf(await reloading.answer).at(-1);
    assert.equal((verdict as { verdict: { outcome: string } }).verdict.outcome, 'promoted');
    // The field of `error-unknown-field` exists in the meantime.
    for (const name of ['status-serving', 'history', 'logs', 'signal', 'error-wrong-state']) {
      const { request, answer } = recorded(name);
      const text = await (await rawControl(t, zero, requestText(request))).answer;
      assert.ok(text.startsWith(`HTTP/1.1 ${answer.status} `), `${name}: ${text}`);
    }
    const stopping = await rawControl(t, zero, requestText(recorded('stop').request));
    assert.deepEqual(documentsOf(await stopping.answer).at(-1), { stopped: true });
    await zero.exited;
  });

  it('sends only the documented fields', DEADLINE, async (test) => {
    const t = reversed(test);
    const steps = [{ percent: 50, for: '60s' }];
    const { zero, puppets } = await startServing(t, {
      handover: { ...QUICK, mode: 'auto', canary: { steps }, preview_from: ['127.77.0.1'] },
    });
    await command(t, zero, 'status');
    const reloading = await rawControl(t, zero, requestText(recorded('reload-promoted').request));
    await nextReady(puppets);
    await zero.fact('handover_step', { step: 'canary' });
    const ask = async (request: RecordedExchange['request']): Promise<unknown> =>
      documentsOf(await (await rawControl(t, zero, requestText(request))).answer)[0];
    const status = await ask(STATUS);
    assert.deepEqual(answers.status.parse(status), status);
    const history = await ask(recorded('history').request);
    assert.deepEqual(answers.history.parse(history), history);
    assert.equal((await startCommand(t, zero, ['abort']).finished).code, 0);
    const lines = documentsOf(await reloading.answer);
    assert.deepEqual(
      lines.map((line) => answers.reload.parse(line)),
      lines,
    );
  });
});
