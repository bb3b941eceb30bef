import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { type Figure, pairs, ratioFigure, startZero } from './harness.ts';

/** The same service: on the descriptor that it was handed, else bound by itself. */
const SERVICE = `const s=require("http").createServer((q,r)=>r.end("ok"));s.keepAliveTimeout=60000;
s.listen(process.env.LISTEN_FDS?{fd:3}:{host:"127.0.0.1",port:0,backlog:4096},()=>console.log(s.address().port));
process.on("SIGTERM",()=>process.exit(0))`.replaceAll('\n', '');

const SECONDS = 2;
const CLIENTS = 16;

/** Requests a second of the same service under zero over bound directly. */
export async function measureThroughput(): Promise<Figure[]> {
  const zero = await startZero(`service:
  listeners: [{ name: http, address: '127.0.0.1:0' }]
  runtime: { name: ok, path: ${process.execPath}, args: [-e, '${SERVICE}'] }
  options: { reload_uptime: 200ms }
`);
  const bound = await zero.fact('listener_bound');
  await zero.fact('handover_finished');
  const under = Number(String(bound.address).split(':').at(-1));
  const direct = spawn(process.execPath, ['-e', SERVICE], { stdio: ['ignore', 'pipe', 'ignore'], env: {} });
  const [text] = (await once(direct.stdout, 'data')) as [Buffer];
  const alone = Number(String(text));
  const figures: Figure[] = [];
  for (const keepAlive of [false, true]) {
    const measured = await pairs(
      20,
      () => rate(under, keepAlive),
      () => rate(alone, keepAlive),
    );
    const kind = keepAlive ? 'keep-alive' : 'short';
    figures.push(
      ratioFigure(
        `requests/s under zero over bound directly, ${kind} connections`,
        { kind: 'at_least', value: 0.97 },
        measured,
        `${CLIENTS} clients, ${SECONDS} s each`,
      ),
    );
  }
  direct.kill('SIGKILL');
  await zero.stop();
  return figures;
}

/** Requests a second that a closed loop of clients gets answered. */
async function rate(port: number, keepAlive: boolean): Promise<number> {
  const agent = new http.Agent({ keepAlive, maxSockets: CLIENTS });
  const end = performance.now() + SECONDS * 1_000;
  let answered = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      await request(port, agent);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
  return answered / SECONDS;
}

function request(port: number, agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = http.get({ host: '127.0.0.1', port, agent }, (response) => {
      response.resume();
      response.on('end', resolve);
    });
    sent.on('error', reject);
  });
}
