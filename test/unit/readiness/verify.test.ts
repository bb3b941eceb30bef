import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import type { VerifyConfig } from '../../../src/config/schema.ts';
import type { CommandRequest, CommandResult } from '../../../src/readiness/command.ts';
import type { OpenProbe } from '../../../src/readiness/probes.ts';
import { startVerify } from '../../../src/readiness/verify.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { verdictOf } from './verdict.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

/** A worker that responds with these statuses, then always with the last one. `null` never responds. */
async function worker(...statuses: (number | null)[]): Promise<{ port: number; openProbe: OpenProbe }> {
  const server = createServer((_, response) => {
    const status = statuses.length > 1 ? statuses.shift() : statuses[0];
    if (typeof status === 'number') response.writeHead(status).end();
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const openProbe: OpenProbe = () => ({
    accepted: () => 'waiting',
    socket: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    close: () => {},
  });
  return { port, openProbe };
}

const HTTP = { listener: 'web', path: '/healthz', status: [{ from: 200, to: 299 }] };
const COMMAND = { run: ['/bin/check'] };

function start(
  config: Partial<VerifyConfig>,
  probes: OpenProbe[] = [],
  results: (CommandResult | Error)[] = [],
) {
  const timers = new ManualTimers();
  const { callbacks, verdict, calls } = verdictOf();
  const requests: CommandRequest[] = [];
  const checks: boolean[] = [];
  const verification = startVerify(
    { interval: 5000, timeout: 2000, failures: 3, ...config },
    {
      workers: () => probes.map((openProbe, index) => ({ worker: index, openProbe })),
      runCommand: async (request) => {
        requests.push(request);
        const result = results.shift() ?? { kind: 'exited', code: 0 };
        if (result instanceof Error) throw result;
        return result;
      },
      timers,
      checked: (passed) => checks.push(passed),
      failed: callbacks.failed,
    },
  );
  const next = async () => (await timers.next(5000))();
  return { timers, next, verdict, calls, requests, checks, verification };
}

describe('verify', () => {
  it('fails exactly after the configured number of consecutive misses', async () => {
    const { openProbe } = await worker(500, 200, 500, 503, 500);
    const { timers, next, verdict, calls, checks, verification } = start({ http: HTTP }, [openProbe]);
    const reasons: (string | null)[] = [];
    for (let look = 0; look < 4; look += 1) {
      await timers.next(5000);
      reasons.push(verification.lastReason());
      assert.deepEqual(calls, []);
      await next();
    }
    assert.deepEqual(reasons, [
      'worker 0, GET /healthz returned 500',
      null,
      'worker 0, GET /healthz returned 500',
      'worker 0, GET /healthz returned 503',
    ]);
    assert.equal(
      await verdict,
      'failed: verify failed 3 times in a row; last: worker 0, GET /healthz returned 500',
    );
    assert.ok(!timers.pending().includes(5000));
    assert.deepEqual(checks, [false, true, false, false, false]);
  });

  it('checks every worker', async () => {
    const [good, bad] = [await worker(200), await worker(500)];
    const { verdict } = start({ http: HTTP, failures: 1 }, [good.openProbe, bad.openProbe, good.openProbe]);
    assert.equal(await verdict, 'failed: worker 1, GET /healthz returned 500');
  });

  it('counts a refused or failed connection as a miss', async () => {
    assert.equal(
      await start({ http: HTTP, failures: 1 }).verdict,
      'failed: GET /healthz: no worker can answer',
    );
    const broken: OpenProbe = () => {
      throw new Error('the listener is not steered');
    };
    assert.equal(
      await start({ http: HTTP, failures: 1 }, [broken]).verdict,
      'failed: worker 0, GET /healthz: the listener is not steered',
    );
  });

  it('checks a configured address without a probe', async () => {
    const { port } = await worker(200, 404);
    const address = { kind: 'inet', network: 'tcp', host: '127.0.0.1', port, text: '' } as const;
    const { listener: _, ...http } = HTTP;
    const { next, verdict } = start({ http: { ...http, address }, failures: 1 });
    await next();
    assert.equal(await verdict, 'failed: GET /healthz returned 404');
  });

  it('ends a check after its timeout, which the request may set', async () => {
    const { openProbe } = await worker(null);
    const general = start({ http: HTTP, failures: 1 }, [openProbe]);
    (await general.timers.next(2000))();
    assert.equal(await general.verdict, 'failed: worker 0, GET /healthz: no answer within 2s');
    const own = start({ http: { ...HTTP, timeout: 300 }, failures: 1 }, [openProbe]);
    (await own.timers.next(300))();
    assert.equal(await own.verdict, 'failed: worker 0, GET /healthz: no answer within 300ms');
  });

  it('runs the command with its timeout', async () => {
    const { next, verdict, requests } = start(
      { command: COMMAND, failures: 2 },
      [],
      [
        { kind: 'exited', code: 0 },
        { kind: 'exited', code: 1 },
        { kind: 'exited', code: 0 },
        { kind: 'timed_out' },
        new Error('no more processes'),
      ],
    );
    for (let look = 0; look < 4; look += 1) await next();
    assert.equal(await verdict, 'failed: verify failed 2 times in a row; last: no more processes');
    assert.deepEqual(requests[0]?.run, ['/bin/check']);
    assert.equal(requests[0]?.timeout, 2000);
    assert.equal(requests.length, 5);
  });

  it('requires the request and the command if both are configured', async () => {
    const { openProbe } = await worker(200);
    const { verdict } = start(
      { http: HTTP, command: { ...COMMAND, timeout: 100 }, failures: 1 },
      [openProbe],
      [{ kind: 'timed_out' }],
    );
    assert.equal(await verdict, 'failed: command /bin/check: still running after 100ms');
  });

  it('stops checking when it is closed', async () => {
    const { openProbe } = await worker(500);
    const { timers, calls, verification } = start({ http: HTTP, failures: 2 }, [openProbe]);
    await timers.next(5000);
    verification.close();
    verification.close();
    assert.ok(!timers.pending().includes(5000));
    assert.deepEqual(calls, []);
  });

  it('cancels its pending check when it is closed', async () => {
    const { callbacks, calls } = verdictOf();
    let aborted: Promise<unknown> = Promise.resolve();
    const verification = startVerify(
      { interval: 1, timeout: 1, failures: 1, command: COMMAND },
      {
        workers: () => [],
        runCommand: ({ stop }) => {
          const ended = once(stop, 'abort');
          aborted = ended;
          return ended.then(() => ({ kind: 'signaled', signal: 'SIGKILL' }));
        },
        timers: new ManualTimers(),
        checked: () => assert.fail('a check that was ended has no result'),
        failed: callbacks.failed,
      },
    );
    verification.close();
    await aborted;
    // The result of the check arrives after the abort.
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(calls, []);
  });
});
