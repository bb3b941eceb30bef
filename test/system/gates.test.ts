import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startGateServer } from '../support/gate-server.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  becomeReady,
  type PuppetSections,
  type PuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** Replaces the gate of `puppetConfig`. */
function only(readiness: Readonly<Record<string, unknown>>): PuppetSections {
  return { readiness: { ready_fd: undefined, ...readiness } };
}

/** A connected and listening candidate with another gate than the incumbent. */
async function startCandidate(
  scope: Scope,
  sections: PuppetSections,
): Promise<PuppetService & { incumbent: Puppet; candidate: Puppet }> {
  const service = await startReloaded(scope, sections);
  const candidate = await service.puppets.next();
  await candidate.listen({ name: 'http' });
  return { ...service, candidate };
}

/** The same without waiting for the candidate, which may exit before. */
async function startReloaded(
  scope: Scope,
  sections: PuppetSections,
): Promise<PuppetService & { incumbent: Puppet }> {
  const service = await startServing(scope);
  service.rewrite(sections);
  service.reload();
  return service;
}

/** Asserts that the gate has passed, and that nothing promoted the candidate before. */
async function assertPassed({ zero }: PuppetService, gate: string): Promise<void> {
  await zero.fact('handover_finished', { handover: 2, outcome: 'promoted', incumbent: 2 });
  const order = zero.log.facts.flatMap((fact) =>
    (fact.event === 'gate_passed' && fact.generation === 2) ||
    (fact.event === 'generation_promoted' && fact.generation === 2)
      ? [fact.event === 'gate_passed' ? fact.gate : fact.event]
      : [],
  );
  assert.deepEqual(order.slice(-2), [gate, 'generation_promoted']);
}

/** Asserts that the candidate was rolled back after its timeout. Returns the reason. */
async function assertNotPassed(service: PuppetService, gate: string, incumbent: Puppet): Promise<string> {
  const { outcome, failure } = await service.zero.fact('handover_finished', { handover: 2 });
  assert.equal(outcome, 'rolled_back');
  assert.equal(failure?.step, 'readiness.timeout');
  assert.match(failure.reason, new RegExp(`still waiting for ${gate}`));
  await service.zero.fact('generation_gone', { generation: 2 });
  await assertUntouched(service, incumbent);
  return failure.reason;
}

async function startTcpServer(scope: Scope): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.destroy());
  scope.after(() => {
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { server, port: address.port };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

describe('the gate notify', () => {
  it('passes with READY=1 only', DEADLINE, async (t) => {
    const service = await startCandidate(t, only({ notify: true }));
    await service.candidate.notify('STATUS=warming up\nREADY=0\n');
    // Datagrams are read in order: the report on this one shows that the previous one was read.
    await service.candidate.notify('rubbish');
    await service.zero.fact('warning', { about: 'notify' });
    assert.deepEqual(service.zero.log.all('gate_passed', { generation: 2, gate: 'notify' }), []);
    await service.candidate.notify('STATUS=warm\nREADY=1\n');
    await assertPassed(service, 'notify');
  });

  it('does not pass without READY=1, and the report has the status of the candidate', DEADLINE, async (t) => {
    const service = await startCandidate(t, only({ notify: true, timeout: '3s' }));
    await service.candidate.notify('STATUS=loading 3 of 7');
    const reason = await assertNotPassed(service, 'notify', service.incumbent);
    assert.match(reason, /no READY=1: loading 3 of 7/);
  });
});

describe('the gate ready_fd', () => {
  it('passes with a line', DEADLINE, async (t) => {
    const service = await startCandidate(t, only({ ready_fd: 7 }));
    await service.candidate.write(7, 'not yet a line');
    await service.candidate.write(7, ', now\n');
    await assertPassed(service, 'ready_fd');
  });

  it('does not pass with half a line', DEADLINE, async (t) => {
    const service = await startCandidate(t, only({ ready_fd: 7, timeout: '3s' }));
    await service.candidate.write(7, 'ready');
    await assertNotPassed(service, 'ready_fd', service.incumbent);
  });
});

describe('the gate http', () => {
  it('passes with an accepted status', DEADLINE, async (t) => {
    const gate = await startGateServer(t);
    const service = await startCandidate(t, only({ http: { address: gate.address, interval: '10ms' } }));
    await gate.whenAsked(3);
    assert.deepEqual(service.zero.log.all('gate_passed', { generation: 2, gate: 'http' }), []);
    gate.open();
    await assertPassed(service, 'http');
  });

  it('does not pass with another status', DEADLINE, async (t) => {
    const gate = await startGateServer(t);
    const http = { address: gate.address, path: '/healthz', interval: '10ms' };
    const service = await startReloaded(t, only({ http, timeout: '1s' }));
    const reason = await assertNotPassed(service, 'http', service.incumbent);
    assert.match(reason, /GET \/healthz returned 503/);
  });

  it('passes with the configured status', DEADLINE, async (t) => {
    const gate = await startGateServer(t);
    const http = { address: gate.address, status: '200-299,503', interval: '10ms' };
    const service = await startCandidate(t, only({ http }));
    await assertPassed(service, 'http');
  });
});

describe('the gate tcp', () => {
  it('passes when a connection is accepted', DEADLINE, async (t) => {
    const { port } = await startTcpServer(t);
    const service = await startCandidate(t, only({ tcp: { address: `127.0.0.1:${port}` } }));
    await assertPassed(service, 'tcp');
  });

  it('does not pass while no process listens', DEADLINE, async (t) => {
    const { server, port } = await startTcpServer(t);
    await closed(server);
    const tcp = { address: `127.0.0.1:${port}`, interval: '10ms' };
    const service = await startReloaded(t, only({ tcp, timeout: '1s' }));
    const reason = await assertNotPassed(service, 'tcp', service.incumbent);
    assert.match(reason, /ECONNREFUSED/);
  });
});

describe('the gate command', () => {
  it('passes when the command exits with 0, and retries until then', DEADLINE, async (t) => {
    const script = 'echo try >>tries; test $(wc -l <tries) = 2';
    const directory = temporaryFolder(t);
    const sections = { ...only({ command: { run: ['sh', '-c', script] } }), runtime: { directory } };
    await assertPassed(await startCandidate(t, sections), 'command');
    assert.equal(readFileSync(join(directory, 'tries'), 'utf8'), 'try\ntry\n');
  });

  it('does not pass when the command fails', DEADLINE, async (t) => {
    const service = await startReloaded(t, only({ command: { run: ['sh', '-c', 'exit 7'] }, timeout: '1s' }));
    const reason = await assertNotPassed(service, 'command', service.incumbent);
    assert.match(reason, /command sh: exit code 7/);
  });

  it('does not pass when the command takes too long', DEADLINE, async (t) => {
    const command = { run: ['sleep', '1000'], timeout: '50ms' };
    const service = await startReloaded(t, only({ command, timeout: '1s' }));
    const reason = await assertNotPassed(service, 'command', service.incumbent);
    assert.match(reason, /command sleep: still running after 50ms/);
  });

  it('does not pass when the command is missing', DEADLINE, async (t) => {
    const service = await startReloaded(t, only({ command: { run: ['no-such-command'] }, timeout: '1s' }));
    const reason = await assertNotPassed(service, 'command', service.incumbent);
    assert.match(reason, /command no-such-command: ENOENT/);
  });
});

describe('reload_uptime', () => {
  it('is the time that a candidate must run before its promotion', DEADLINE, async (t) => {
    const service = await startCandidate(t, { ...only({}), options: { reload_uptime: '400ms' } });
    await assertPassed(service, 'uptime');
    const { after } = await service.zero.fact('worker_ready', { generation: 2 });
    assert.ok(after >= 400, `ready after ${after} ms`);
  });
});

describe('several gates', () => {
  it('must all pass', DEADLINE, async (t) => {
    const gate = await startGateServer(t);
    const http = { address: gate.address, interval: '10ms' };
    const service = await startCandidate(t, { readiness: { notify: true, http } });
    const { candidate, zero } = service;
    await candidate.ready();
    await zero.fact('gate_passed', { generation: 2, gate: 'notify' });
    gate.open();
    await zero.fact('gate_passed', { generation: 2, gate: 'http' });
    assert.deepEqual(zero.log.all('worker_ready', { generation: 2 }), []);
    assert.deepEqual(zero.log.all('worker_signalled'), []);
    await becomeReady(candidate);
    await assertPassed(service, 'ready_fd');
  });
});
