import http from 'node:http';
import { type Figure, quantile, startZero } from './harness.ts';

const COUNT = 256;

const SERVICE =
  `let n=0;for(let i=0;i<${COUNT};i++)require("http").createServer((q,r)=>r.end("ok")).listen({fd:3+i});
process.on("SIGTERM",()=>process.exit(0))`.replaceAll('\n', '');

/** 256 listeners: how much a handover lengthens a request. */
export async function measureListeners(): Promise<Figure[]> {
  const listeners = Array.from(
    { length: COUNT },
    (_, i) => `    - { name: l${i}, address: '127.0.0.1:0' }`,
  ).join('\n');
  const zero = await startZero(`service:
  listeners:
${listeners}
  runtime: { name: many, path: ${process.execPath}, args: [-e, '${SERVICE}'] }
  options: { reload_uptime: 500ms }
`);
  const bound = await zero.fact('listener_bound');
  await zero.fact('handover_finished');
  const port = Number(String(bound.address).split(':').at(-1));
  const quiet = await latencies(port, 2_000);
  const during: number[] = [];
  let running = true;
  const load = (async () => {
    while (running) during.push(...(await latencies(port, 50)));
  })();
  for (let i = 0; i < 10; i++) {
    zero.signal('SIGHUP');
    await zero.fact('handover_finished');
    await zero.fact('generation_gone');
  }
  running = false;
  await load;
  await zero.stop();
  const value = quantile(during, 0.999) - quantile(quiet, 0.999);
  return [
    {
      name: 'p99.9 of a request during handovers of 256 listeners over none',
      unit: 'ms',
      target: { kind: 'at_most', value: 50 },
      value,
      low: value,
      high: value,
      note: `${during.length} requests in 10 handovers`,
      samples: { quiet: summary(quiet), during: summary(during) },
    },
  ];
}

const summary = (samples: readonly number[]) => [0.5, 0.9, 0.99, 0.999, 1].map((q) => quantile(samples, q));

/** Of one request after another, each on a connection of its own. */
async function latencies(port: number, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await new Promise<void>((resolve, reject) => {
      const sent = http.get({ host: '127.0.0.1', port, agent: false }, (response) => {
        response.resume();
        response.on('end', resolve);
      });
      sent.on('error', reject);
    });
    samples.push(performance.now() - begin);
  }
  return samples;
}
