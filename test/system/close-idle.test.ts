// `handover.close_idle`: zero ends the idle connections of a retiring service before it asks the service to stop.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { holdRequest } from '../support/held-request.ts';
import { HttpConnection } from '../support/http-connection.ts';
import { generationInBody } from '../support/load.ts';
import { nginxRecipe } from '../support/nginx.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { withoutTracing } from '../support/privileges.ts';
import { parseTarget } from '../support/target.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero, type ZeroOptions } from '../support/zero.ts';

const CLIENTS = 20;
const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

interface Site {
  readonly zero: Zero;
  readonly address: string;
  /** Deploys an nginx.conf whose responses contain the number of the next generation. */
  deploy(generation: number): void;
}

/** The recipe of the guide; null if nginx is missing. */
async function startNginx(
  t: TestContext,
  handover: Readonly<Record<string, unknown>>,
  options: Pick<ZeroOptions, 'command'> = {},
): Promise<Site | null> {
  const program = requireProgram(t, 'nginx', 'nginx-light');
  if (program === null) return null;
  const folder = temporaryFolder(t);
  const address = await freeAddress();
  const { service, conf } = nginxRecipe(program, folder, address);
  const write = (generation: number): void => writeFileSync(join(folder, 'nginx.conf'), conf({ generation }));
  write(1);
  const config = {
    service: { ...service, options: { ...(service.options as object), reload_uptime: '100ms' }, handover },
  };
  const zero = startZero(t, { folder, config, ...options });
  await zero.fact('generation_promoted', { generation: 1 });
  const deploy = (generation: number): void => {
    write(generation);
    zero.signal('SIGHUP');
  };
  return { zero, address, deploy };
}

/** A keep-alive client. */
async function connect(t: TestContext, address: string): Promise<HttpConnection> {
  const connection = new HttpConnection(parseTarget(address));
  t.after(() => connection.close());
  assert.equal(await ask(connection), '1');
  return connection;
}

async function ask(connection: HttpConnection): Promise<string> {
  const result = await connection.exchange(REQUEST, 10_000);
  assert.equal(result.kind, 'answered', JSON.stringify(result));
  return generationInBody(result.response);
}

function closed(connection: HttpConnection): Promise<void> {
  return new Promise((resolve) => connection.whenClosed(resolve));
}

describe('close_idle', () => {
  it('ends idle connections of nginx, and waits for the request in progress', DEADLINE, async (t) => {
    const handover = { mode: 'auto', settle: '100ms', drain_timeout: '60s', close_idle: '1s' };
    const site = await startNginx(t, handover);
    if (site === null) return;
    const { zero, address, deploy } = site;
    const idle = await Promise.all(Array.from({ length: CLIENTS }, () => connect(t, address)));
    const ends = idle.map(closed);
    const held = holdRequest(t, address);
    await connect(t, address);
    deploy(2);
    await Promise.all(ends);
    assert.deepEqual(zero.log.all('worker_signalled', { generation: 1 }), []);
    assert.equal(generationInBody(await held.finish()), '1');
    await zero.fact('generation_gone', { generation: 1 });
    const ended = zero.log.all('idle_connections_ended', { generation: 1 });
    // The held request was accepted right before the last client, whose connection is idle as well.
    assert.equal(
      ended.reduce((sum, { connections }) => sum + connections, 0),
      CLIENTS + 1,
    );
    assert.deepEqual(complaints(zero), []);
  });

  it('has no effect and loses nothing if zero may not take descriptors', DEADLINE, async (t) => {
    const handover = { mode: 'auto', settle: '100ms', drain_timeout: '60s', close_idle: '1s' };
    const site = await startNginx(t, handover, { command: [...withoutTracing(), ...ZERO_COMMAND] });
    if (site === null) return;
    const { zero, address, deploy } = site;
    const idle = await Promise.all(Array.from({ length: CLIENTS }, () => connect(t, address)));
    const held = holdRequest(t, address);
    await connect(t, address);
    deploy(2);
    const { message } = await zero.fact('warning', { about: 'close_idle' });
    assert.match(
      message,
      /^close_idle has no effect on generation 1: .* \(pidfd_getfd: EPERM\)\. .* CAP_SYS_PTRACE/,
    );
    for (const connection of idle) assert.equal(await ask(connection), '1');
    assert.equal(generationInBody(await held.finish()), '1');
    await zero.fact('generation_gone', { generation: 1 });
    assert.equal(zero.log.all('warning').length, 1);
    assert.deepEqual(zero.log.all('idle_connections_ended'), []);
  });
});
