import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { httpGet } from '../support/http-get.ts';
import { startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import { readRecipe } from '../support/recipe.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

const RELOADS = 5;
const REQUESTS = 200;
const QUICK = { mode: 'auto', settle: '200ms' };

/** Compiles the loop in C. Without a compiler the test is skipped, and the result is null. */
function compiled(t: TestContext, folder: string): string | null {
  const gcc = requireProgram(t, 'gcc', 'gcc libc6-dev');
  if (gcc === null) return null;
  const program = join(folder, 'accept-loop');
  execFileSync(gcc, ['-O1', '-o', program, fixture('accept-loop.c')]);
  return program;
}

function looping(path: string, args: readonly string[] = [], listener = {}): RawConfig {
  return {
    service: {
      listeners: [{ name: 'http', address: '127.0.0.1:0', ...listener }],
      runtime: { path, args },
      options: { reload_uptime: '0s' },
      handover: QUICK,
    },
  };
}

async function starman(t: TestContext, folder: string): Promise<RawConfig | null> {
  const program = requireProgram(t, 'starman', 'starman');
  if (program === null) return null;
  const { config } = readRecipe('starman', {
    '/usr/bin/starman': program,
    '/srv/example': folder,
    '127.0.0.1:8080': await freeAddress(),
  });
  const app = `sub { [200, ['Content-Type' => 'text/plain'], ["{\\"generation\\":$ENV{ZERO_GENERATION}}"]] };\n`;
  writeFileSync(join(folder, 'app.psgi'), app);
  const { service } = config;
  return { service: { ...service, handover: { ...QUICK, ...(service.handover as object | undefined) } } };
}

const SERVICES: Readonly<Record<string, (t: TestContext, folder: string) => Promise<RawConfig | null>>> = {
  'a loop around accept(2) in C': async (t, folder) => {
    const program = compiled(t, folder);
    return program === null ? null : looping(program);
  },
  'a loop around accept in Perl': async () => looping('/usr/bin/perl', [fixture('accept-loop.pl')]),
  'a loop around accept in Perl on its standard input, as inetd passes it,': async () =>
    looping('/usr/bin/perl', [fixture('accept-loop.pl')], { socket_fd: 0 }),
  Starman: starman,
};

describe('a service that waits in accept(2)', () => {
  for (const [title, configOf] of Object.entries(SERVICES)) {
    it(`${title} is replaced ${RELOADS} times under load without losing a request`, DEADLINE, async (t) => {
      const folder = temporaryFolder(t);
      const config = await configOf(t, folder);
      if (config === null) return;
      const zero = startZero(t, { folder, config });
      await zero.fact('generation_promoted', { generation: 1 });
      const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
      for (let generation = 1; generation <= RELOADS; generation += 1) {
        load.phase(`generation ${generation}`);
        await load.whenPhaseHas(REQUESTS);
        zero.signal('SIGHUP');
        await zero.fact('generation_gone', { generation });
      }
      load.phase('last');
      await load.whenPhaseHas(REQUESTS);
      const { failures, byGeneration, losses } = await load.stop();
      assert.deepEqual(failures, {}, JSON.stringify(losses));
      assert.equal(Object.keys(byGeneration).length, RELOADS + 1);
      assert.deepEqual(zero.log.all('worker_exited', { expected: false }), []);
      assert.deepEqual(complaints(zero), []);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    });
  }

  it('is restarted on a socket that a previous program made non-blocking', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const program = compiled(t, folder);
    if (program === null) return;
    // Node sets O_NONBLOCK on a socket when it listens. The flag belongs to the open socket (fcntl(2)).
    const node = `require('node:http').createServer((_, response) => response.end('node', () => process.exit(1))).listen({ fd: 3 })`;
    const script = 'if mkdir started 2>/dev/null; then exec "$0" -e "$1"; else exec "$2"; fi';
    const { service } = looping('/bin/sh', ['-c', script, process.execPath, node, program]);
    const runtime = { ...service.runtime, directory: folder };
    const zero = startZero(t, { folder, config: { service: { ...service, runtime } } });
    await zero.fact('generation_promoted', { generation: 1 });
    const address = await zero.address('http');
    assert.equal((await httpGet(address, '/')).body, 'node');
    await zero.fact('worker_exited', { expected: false });
    // The queue is usually empty, so a non-blocking accept(2) would fail with EAGAIN.
    for (let request = 0; request < 3; request += 1) {
      assert.equal((await httpGet(address, '/')).body, '{"generation":1}');
    }
    assert.equal(zero.log.all('worker_exited').length, 1);
  });
});
