import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../test/support/debian.ts';
import { freeAddress } from '../../test/support/free-address.ts';
import { IS_ROOT, sharedFolder } from '../../test/support/privileges.ts';
import { readRecipe } from '../../test/support/recipe.ts';
import type { Scope } from '../../test/support/temporary.ts';
import { startZero } from '../../test/support/zero.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { pause } from '../clock.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { listens } from '../listens.ts';
import { compareInPairs, HOW, type Side } from '../side-by-side.ts';

const AT_LEAST = 0.95;

export const phpFpm: Measure = {
  name: 'php-fpm',
  about: `Requests per second by FastCGI of php-fpm with four children under zero, compared with php-fpm alone with the same configuration. ${HOW}`,
  measure: async (run) => [await compare(run)],
};

async function compare(run: Run): Promise<Figure> {
  const [supervised, alone] = await compareInPairs(run, underZero, direct, 'short');
  return {
    name: 'requests a second of php-fpm, short connections',
    unit: 'x php-fpm alone',
    target: { atLeast: AT_LEAST },
    values: ratios(supervised, alone),
    samples: { under_zero: supervised, alone },
  };
}

interface Php {
  readonly side: Required<Pick<Side, 'port' | 'script'>>;
  readonly folder: string;
  readonly address: string;
  readonly recipe: ReturnType<typeof readRecipe>;
}

/** Sets up the recipe of the guide on a port. */
async function setUp(scope: Scope): Promise<Php> {
  const versions = ['8.2', '8.4', '8.3', '8.1'].map((version) => `php-fpm${version}`);
  const program = versions.map((name) => findProgram(name)).find((found) => found !== null);
  if (!program) throw new Error('php-fpm is not installed: apt-get install php-fpm');
  const folder = sharedFolder(scope);
  const port = Number((await freeAddress()).split(':').at(-1));
  const address = `127.0.0.1:${port}`;
  const recipe = readRecipe('php-fpm', {
    'unix:/run/example.sock': address,
    '/run/example.sock': address,
    '/srv/example': folder,
    '/usr/sbin/php-fpm8.2': program,
  });
  const script = join(folder, 'index.php');
  writeFileSync(script, '<?php echo "hello";', { mode: 0o644 });
  // A master that runs as root needs a user for its children.
  const user = IS_ROOT ? 'user = www-data\n' : '';
  writeFileSync(join(folder, 'php-fpm.conf'), `${recipe.block('ini')}${user}`, { mode: 0o644 });
  return { side: { port, script }, folder, address, recipe };
}

async function underZero(scope: Scope): Promise<Side> {
  const { side, folder, address, recipe } = await setUp(scope);
  const { user: _, ...runtime } = recipe.config.service.runtime;
  const config = {
    service: { ...recipe.config.service, listeners: [{ name: 'fpm', address }], runtime },
  };
  const zero = startZero(scope, { folder, config });
  await zero.fact('handover_finished', { outcome: 'promoted' });
  return side;
}

async function direct(scope: Scope): Promise<Side> {
  const { side, recipe } = await setUp(scope);
  const { path, args } = recipe.config.service.runtime as { path: string; args: string[] };
  const environment = Object.fromEntries(environmentList({}).map(({ key, value }) => [key, value]));
  const service = spawn(path, args, { stdio: 'ignore', env: environment, detached: true });
  scope.after(() => void service.kill('SIGTERM'));
  while (!(await listens(side.port))) await pause(20);
  return side;
}
