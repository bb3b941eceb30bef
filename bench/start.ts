import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Figure, pairs, ratioFigure, ZERO } from './harness.ts';

/** From the spawn of zero to the first byte that its service writes, against a whole `node -e 0`. */
export async function measureStart(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const address of ['127.0.0.1:0', 'localhost:0']) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'zero-bench-'));
    const config = path.join(folder, 'zero.yaml');
    fs.writeFileSync(
      config,
      `application: { runtime_directory: ${folder}/run, data_directory: ${folder}/data }
service:
  listeners: [{ name: http, address: '${address}' }]
  runtime: { name: echo, path: /bin/echo, args: [up] }
  restart: { policy: never }
`,
    );
    const measured = await pairs(25, () => firstByte(config), bare);
    fs.rmSync(folder, { recursive: true });
    figures.push(
      ratioFigure(
        `start of zero to the service's first output (${address}) over node -e 0`,
        { kind: 'at_most', value: 1.7 },
        measured,
        'the service is /bin/echo; its own start is included',
      ),
    );
  }
  return figures;
}

function firstByte(config: string): Promise<number> {
  return new Promise((resolve) => {
    const begin = performance.now();
    const zero = spawn(process.execPath, [ZERO, '--config', config], { stdio: ['ignore', 'pipe', 'ignore'] });
    let took = Number.NaN;
    zero.stdout.once('data', () => {
      took = performance.now() - begin;
    });
    zero.on('exit', () => resolve(took));
  });
}

async function bare(): Promise<number> {
  const begin = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return performance.now() - begin;
}
