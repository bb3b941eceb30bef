import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { httpGet } from '../support/http-get.ts';
import { startLoad } from '../support/load.ts';
import { killWithKeeper } from '../support/survivor.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import { environmentList, type RawConfig } from '../support/zero-config.ts';

/**
 * A child process of the service writes the lines, so that the service can respond while the write blocks. A request
 * for /N is answered when the child has written N lines, a request for /start/N as soon as the child has started.
 */
const CHATTY = `
  const { spawn } = require('node:child_process');
  require('node:http').createServer((request, response) => {
    const lines = Number(/^\\/(?:start\\/)?(\\d+)$/.exec(request.url)?.[1] ?? 0);
    const end = () => response.end(JSON.stringify({ pid: process.pid }));
    if (lines === 0) return end();
    const child = spawn('seq', [String(lines)], { stdio: ['ignore', 'inherit', 'inherit'] });
    if (request.url.startsWith('/start')) end();
    else child.on('exit', end);
  }).listen({ fd: 3 });`;

/**
 * seq(1): 588,895 bytes, more than the default capacity of a pipe (64 KiB, pipe(7)), less than that of zero's pipes (1
 * MiB).
 */
const MUCH = 100_000;
/** 2,288,895 bytes. */
const TOO_MUCH = 350_000;

function linesTo(last: number): string {
  return Array.from({ length: last }, (_, index) => `${index + 1}\n`).join('');
}

interface Chatty {
  readonly zero: Zero;
  readonly address: string;
  /** Another supervisor takes over. */
  next(): Zero;
}

async function startChatty(t: TestContext): Promise<Chatty> {
  const folder = temporaryFolder(t);
  const config: RawConfig = {
    application: { restart_supervisor: 'never' },
    service: {
      listeners: [{ name: 'http', address: '127.0.0.1:0' }],
      runtime: { path: process.execPath, args: ['-e', CHATTY], environment: environmentList({}) },
      options: { reload_uptime: '0s' },
    },
  };
  const start = (): Zero => startZero(t, { folder, config });
  const zero = start();
  await zero.fact('generation_promoted', { generation: 1 });
  return { zero, address: await zero.address('http'), next: start };
}

/** All lines of the service that this supervisor forwards, once the last one has arrived. */
function passedOn({ process: child }: Zero, last: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout?.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      if (text.endsWith(`\n${last}\n`)) resolve(text);
    });
  });
}

describe('a service that writes while no supervisor reads', () => {
  it(
    'writes more than a pipe holds and keeps serving, and the next zero reads all of it',
    DEADLINE,
    async (t) => {
      const { zero, address, next } = await startChatty(t);
      await killWithKeeper(zero);
      await httpGet(address, `/${MUCH}`);
      const load = startLoad(t, { target: address, clients: 2 });
      await load.whenPhaseHas(20);
      const second = next();
      const text = await passedOn(second, MUCH);
      assert.equal(text, linesTo(MUCH));
      assert.deepEqual((await load.stop()).failures, {});
      assert.deepEqual(second.log.all('output_lost'), []);
    },
  );

  it('blocks in its write at 1 MiB of unread data, and loses nothing', DEADLINE, async (t) => {
    const { zero, address, next } = await startChatty(t);
    await killWithKeeper(zero);
    await httpGet(address, `/start/${TOO_MUCH}`);
    const load = startLoad(t, { target: address, clients: 2 });
    await load.whenPhaseHas(100);
    const text = await passedOn(next(), TOO_MUCH);
    assert.equal(text, linesTo(TOO_MUCH));
    assert.deepEqual((await load.stop()).failures, {});
  });
});
