import assert from 'node:assert/strict';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { freeAddress } from '../support/free-address.ts';
import { HttpConnection } from '../support/http-connection.ts';
import { startLoad } from '../support/load.ts';
import { ROOT } from '../support/paths.ts';
import { sessionMembers } from '../support/processes.ts';
import type { Response } from '../support/response-parser.ts';
import { parseTarget } from '../support/target.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

/** A built checkout with another address and with its state in the directory, for `npm start`. */
async function copyOfCheckout(t: TestContext): Promise<{ folder: string; address: string }> {
  const folder = temporaryFolder(t);
  const address = await freeAddress();
  for (const part of ['bin', 'dist', 'examples', 'package.json', 'scripts'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const directories = `runtime_directory: ${folder}/run\n  data_directory: ${folder}/data`;
  const config = readFileSync(join(ROOT, 'config.example.yaml'), 'utf8')
    .replace('localhost:8080\n', `${address}\n`)
    .replace('application:\n', `application:\n  ${directories}\n`);
  writeFileSync(join(folder, 'config.example.yaml'), config);
  return { folder, address };
}

const generationOf = ({ body }: Response): string =>
  /^hello from generation (\d+), pid \d+\n$/.exec(body.toString())?.[1] ?? 'unknown';

/** Like Ctrl-C in a terminal, which signals every process in the foreground. */
function interrupt(starter: Zero, supervisor: number): void {
  starter.signal('SIGINT');
  process.kill(supervisor, 'SIGINT');
}

describe('examples/hello', () => {
  it('starts, reports its address and how to reload it, serves, reloads and stops', DEADLINE, async (t) => {
    const { folder, address } = await copyOfCheckout(t);
    const command = [process.execPath, join(folder, 'scripts', 'start.js')] as const;
    const starter = startZero(t, { folder, command });
    const { pid } = await starter.fact('supervisor_started');
    await starter.fact('generation_promoted', { generation: 1 });
    const [, url, reload] = /open +(\S+)\n +reload it with +(.+)\n/.exec(starter.log.text) ?? [];
    assert.deepEqual([url, reload], [`http://${address}/`, `kill -HUP ${pid}`]);

    const load = startLoad(t, { target: address, clients: 4, generationOf });
    await load.whenPhaseHas(100);
    load.phase('reload');
    process.kill(pid, 'SIGHUP');
    await starter.fact('generation_gone', { generation: 1 });
    load.phase('reloaded');
    await load.whenPhaseHas(100);
    const { failures, phases } = await load.stop();
    assert.deepEqual(failures, {});
    assert.deepEqual(Object.keys(phases.at(-1)?.byGeneration ?? {}), ['2']);

    interrupt(starter, pid);
    assert.deepEqual(await starter.exited, { code: 0, signal: null });
    assert.equal(starter.log.all('supervisor_stopped')[0]?.code, 0);
    assert.deepEqual(starter.log.all('worker_killed'), []);
    for (const worker of starter.log.all('worker_spawned')) assert.deepEqual(sessionMembers(worker.pid), []);
  });

  it('does not wait for connections that are idle, or never sent a request', DEADLINE, async (t) => {
    const { folder, address } = await copyOfCheckout(t);
    const starter = startZero(t, { folder, args: ['--config', join(folder, 'config.example.yaml')] });
    await starter.fact('generation_promoted', { generation: 1 });
    const target = parseTarget(address);
    const silent = connect({ ...target });
    t.after(() => silent.destroy());
    const kept = new HttpConnection(target);
    t.after(() => kept.close());
    // The response after the silent client shows that the silent client was accepted.
    const { kind } = await kept.exchange('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 10_000);
    assert.equal(kind, 'answered');
    starter.signal('SIGTERM');
    assert.deepEqual(await starter.exited, { code: 0, signal: null });
    assert.deepEqual(starter.log.all('worker_killed'), []);
  });
});
