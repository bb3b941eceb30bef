import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freeAddress } from '../support/free-address.ts';
import { fixture } from '../support/paths.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** Each worker is one start with its own test connections. */
const WORKERS = 10;

const GATES: Readonly<Record<string, (address: string) => Record<string, unknown>>> = {
  accept: () => ({}),
  'tcp on a listener': () => ({ tcp: { listener: 'smtp' } }),
  'http on a listener, which such a server never passes': () => ({
    timeout: '2s',
    http: { listener: 'smtp', path: '/' },
  }),
};

describe('a server that speaks first, without a handler for errors', () => {
  for (const [gate, readinessOf] of Object.entries(GATES)) {
    it(`never receives a reset from the gate ${gate}: ${2 * WORKERS} starts`, DEADLINE, async (t) => {
      const address = await freeAddress();
      const zero = startZero(t, {
        config: {
          service: {
            listeners: [{ name: 'smtp', address }],
            runtime: { path: process.execPath, args: [fixture('speaks-first.js')], workers: WORKERS },
            options: { reload_uptime: '200ms' },
            readiness: readinessOf(address),
            handover: { mode: 'auto', settle: '200ms' },
            restart: { policy: 'never' },
          },
        },
      });
      const isReady = !gate.startsWith('http');
      if (isReady) {
        await zero.fact('generation_promoted', { generation: 1 });
        zero.signal('SIGHUP');
        await zero.fact('generation_promoted', { generation: 2 });
        await zero.fact('generation_gone', { generation: 1 });
      } else {
        await zero.fact('worker_not_ready');
      }
      // An unhandled ECONNRESET would have ended a worker.
      assert.deepEqual(zero.log.all('worker_exited', { expected: false }), []);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    });
  }

  it('never receives a reset from verify', DEADLINE, async (t) => {
    const zero = startZero(t, {
      config: {
        service: {
          listeners: [{ name: 'smtp', address: '127.0.0.1:0' }],
          runtime: { path: process.execPath, args: [fixture('speaks-first.js')] },
          options: { reload_uptime: '200ms' },
          restart: { policy: 'never' },
          handover: {
            mode: 'auto',
            settle: '200ms',
            soak: '1h',
            verify: {
              http: { listener: 'smtp', path: '/' },
              interval: '50ms',
              timeout: '500ms',
              failures: 5,
            },
          },
        },
      },
    });
    await zero.fact('generation_promoted', { generation: 1 });
    zero.signal('SIGHUP');
    const { failure } = await zero.fact('handover_finished', { handover: 2 });
    assert.equal(failure?.step, 'verify');
    await zero.fact('generation_gone', { generation: 2 });
    assert.deepEqual(zero.log.all('worker_exited', { expected: false }), []);
  });
});
