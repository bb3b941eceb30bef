import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type Figure, median, startZero } from './harness.ts';

/** From the reload signal to the first thing that the candidate does: it connects to the bench. */
export async function measureReload(): Promise<Figure[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'zero-bench-'));
  const socket = path.join(folder, 'here.sock');
  let arrived: () => void = () => {};
  const server = net.createServer((connection) => {
    connection.destroy();
    arrived();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const next = () =>
    new Promise<void>((resolve) => {
      arrived = resolve;
    });
  const script = `use IO::Socket::UNIX; IO::Socket::UNIX->new(Peer => "${socket}"); $SIG{TERM} = sub { exit 0 }; sleep 1 while 1;`;
  const first = next();
  const zero = await startZero(`service:
  listeners: [{ name: http, address: '127.0.0.1:0' }]
  runtime: { name: perl, path: /usr/bin/perl, args: [-e, '${script}'] }
  options: { reload_uptime: 0s }
`);
  await first;
  await zero.fact('handover_finished');
  const alone = await aloneSamples(script, next);
  const samples: number[] = [];
  for (let i = 0; i < 40; i++) {
    const here = next();
    const begin = performance.now();
    zero.signal('SIGHUP');
    await here;
    samples.push(performance.now() - begin);
    await zero.fact('handover_finished');
    await zero.fact('generation_gone');
  }
  await zero.stop();
  server.close();
  fs.rmSync(folder, { recursive: true });
  const own = samples.map((sample) => sample - median(alone));
  return [
    {
      name: "reload signal to the candidate's first instruction",
      unit: 'ms',
      target: { kind: 'at_most', value: 5 },
      value: median(own),
      low: Math.min(...own),
      high: Math.max(...own),
      note: `until a perl script connects, less ${median(alone).toFixed(1)} ms that the same script takes when it is spawned directly`,
      samples: { zero: samples, alone },
    },
  ];
}

async function aloneSamples(script: string, next: () => Promise<void>): Promise<number[]> {
  const { spawn } = await import('node:child_process');
  const samples: number[] = [];
  for (let i = 0; i < 40; i++) {
    const here = next();
    const begin = performance.now();
    const child = spawn('/usr/bin/perl', ['-e', script], { stdio: 'ignore' });
    await here;
    samples.push(performance.now() - begin);
    await new Promise((resolve) => {
      child.on('exit', resolve);
      child.kill('SIGKILL');
    });
  }
  return samples;
}
