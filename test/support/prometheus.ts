import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freeAddress } from './free-address.ts';
import { guardProcesses } from './guard.ts';
import { httpGet } from './http-get.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

export interface Prometheus {
  /** The value of an instant query with exactly one result; null otherwise. */
  value(query: string): Promise<number | null>;
  /** Resolves when every query has its value. The queries are repeated whenever new samples are stored. */
  has(expected: Readonly<Record<string, number>>): Promise<void>;
}

/**
 * Starts a Prometheus that scrapes one target as the job `zero`, in a temporary directory. It forwards new samples to
 * this process (remote write), so no polling is needed.
 */
export async function startPrometheus(scope: Scope, program: string, target: string): Promise<Prometheus> {
  const folder = temporaryFolder(scope);
  const stored = new Set<() => void>();
  const receiver = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(204).end();
      for (const wake of stored) wake();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  scope.after(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const { port } = receiver.address() as AddressInfo;
  const address = await freeAddress();
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms' },
    scrape_configs: [{ job_name: 'zero', static_configs: [{ targets: [target] }] }],
    remote_write: [
      { url: `http://127.0.0.1:${port}/`, queue_config: { batch_send_deadline: '50ms', max_shards: 1 } },
    ],
  };
  // JSON, which YAML 1.2 includes.
  writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify(config));
  const args = [
    `--config.file=${join(folder, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
    '--log.level=warn',
  ];
  const guard = guardProcesses(scope);
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  if (child.pid !== undefined) guard.own(child.pid);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`prometheus exited with ${signal ?? code}:\n${said}`)),
    );
  });
  gone.catch(() => undefined);

  async function value(query: string): Promise<number | null> {
    const { body } = await httpGet(address, `/api/v1/query?query=${encodeURIComponent(query)}`);
    const { status, data } = JSON.parse(body);
    if (status !== 'success') throw new Error(`${query}: ${body}`);
    return data.result.length === 1 ? Number(data.result[0].value[1]) : null;
  }

  async function hasAll(expected: Readonly<Record<string, number>>): Promise<boolean> {
    for (const [query, wanted] of Object.entries(expected)) {
      if ((await value(query)) !== wanted) return false;
    }
    return true;
  }

  return {
    value,
    async has(expected) {
      for (;;) {
        const next = new Promise<void>((resolve) => stored.add(resolve));
        await Promise.race([next, gone]);
        if (await hasAll(expected)) return;
      }
    },
  };
}
