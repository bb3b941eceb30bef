import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { assertUntouched, startServing } from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
/** Until then a candidate has started, and done what the test asks it for. */
const DEADLINE_OF_CALLER = '5s';

/** A failing health check of the candidate. */
async function startUnhealthy(scope: Scope): Promise<string> {
  const server: Server = createServer((_, response) => void response.writeHead(503).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.after(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('zero reload --timeout shows why the candidate was not ready:', () => {
  it(
    'each open gate of each worker with its last failure, and the last output of the candidate',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { handover: QUICK });
      const { zero, puppets, incumbent } = service;
      const http = { address: await startUnhealthy(t), path: '/healthz', interval: '50ms' };
      service.rewrite({ handover: QUICK, runtime: { workers: 2 }, readiness: { http } });
      const reloading = startCommand(t, zero, ['reload', '--timeout', DEADLINE_OF_CALLER]);
      const candidates = [await puppets.next(), await puppets.next()];
      const first = candidates.find(({ environment }) =>
        environment.some((entry) => `${entry}` === 'ZERO_WORKER=0'),
      );
      for (let line = 1; line <= 25; line += 1)
        await first?.write(2, `connecting to the database, attempt ${line}\n`);
      const { code, stdout, stderr } = await reloading.finished;
      assert.deepEqual([code, stdout], [11, '']);
      assert.match(
        stderr,
        /^handover 2 timed out after 5.*: generation 1 keeps serving\n {2}step {4}timeout\n/,
      );
      assert.match(stderr, /^ {2}reason {2}--timeout 5s expired in step starting: worker 0 waits for /m);
      assert.match(
        stderr,
        /^ {2}gate {4}worker 0, accept: has not accepted a test connection on listener http/m,
      );
      for (const worker of [0, 1]) {
        assert.match(stderr, new RegExp(`worker ${worker}, ready_fd: no line on descriptor 10$`, 'm'));
        assert.match(stderr, new RegExp(`worker ${worker}, http: GET /healthz returned 503$`, 'm'));
      }
      const shown = [...stderr.matchAll(/^ {4}\| connecting to the database, attempt (\d+)$/gm)].map(
        ([, n]) => n,
      );
      assert.deepEqual(
        shown,
        Array.from({ length: 20 }, (_, index) => `${index + 6}`),
      );
      await assertUntouched(service, incumbent);
    },
  );

  it('the same as a document', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, zero, ['reload', '--timeout', DEADLINE_OF_CALLER, '--json']);
    const candidate = await puppets.next();
    await candidate.listen({ name: 'http' });
    await candidate.write(1, 'waiting for a lock\n');
    const { code, stdout, stderr } = await reloading.finished;
    assert.deepEqual([code, stderr], [11, '']);
    const { outcome, handover, failure } = JSON.parse(stdout);
    assert.deepEqual([outcome, handover, failure.generation, failure.worker], ['timed_out', 2, 2, 0]);
    assert.deepEqual(failure.gates, [{ worker: 0, gate: 'ready_fd', reason: 'no line on descriptor 10' }]);
    assert.deepEqual(failure.output, ['waiting for a lock']);
  });
});

describe('zero abort of a candidate that is not ready', () => {
  it('reports its open gates and its last output to the waiting command', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    const reloading = startCommand(t, zero, ['reload']);
    const candidate = await puppets.next();
    await candidate.write(1, 'waiting for a lock\n');
    await zero.fact('worker_spawned', { generation: 2 });
    assert.equal((await command(t, zero, 'abort')).code, 0);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 12);
    assert.match(stderr, /^ {2}reason {2}aborted by zero abort$/m);
    assert.match(stderr, /worker 0, ready_fd: no line on descriptor 10$/m);
    assert.match(stderr, /^ {4}\| waiting for a lock$/m);
  });
});

describe('a verdict that waits for a hook', () => {
  it('still has the last output of the candidate, although that has exited', DEADLINE, async (t) => {
    const gate = join(temporaryFolder(t), 'gate');
    execFileSync('mkfifo', [gate]);
    // Opened for reading and writing: for writing alone open(2) would wait for the hook (fifo(7)).
    const gateFd = openSync(gate, constants.O_RDWR);
    t.after(() => closeSync(gateFd));
    const hooks = { after_rollback: { run: ['sh', '-c', 'read line < "$1"', 'hook', gate] } };
    const { zero, puppets } = await startServing(t, { handover: QUICK, hooks });
    const reloading = startCommand(t, zero, ['reload', '--timeout', DEADLINE_OF_CALLER, '--json']);
    const candidate = await puppets.next();
    await candidate.write(1, 'waiting for a lock\n');
    await zero.fact('generation_gone', { generation: 2 });
    writeSync(gateFd, 'go\n');
    const { code, stdout } = await reloading.finished;
    const { failure } = JSON.parse(stdout);
    assert.deepEqual([code, failure.output], [11, ['waiting for a lock']]);
    assert.ok(failure.gates.some(({ gate }: { gate: string }) => gate === 'ready_fd'));
  });
});
