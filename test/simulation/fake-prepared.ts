import assert from 'node:assert/strict';
import { type Config, parseConfig } from '../../src/config/index.ts';
import type { Settings } from '../../src/lifecycle/settings.ts';
import type { Acquired } from '../../src/listeners/listeners.ts';
import type { Prepared } from '../../src/supervisor/run/prepare.ts';

export const PATH = '/srv/app';

/** The config with this service section in YAML. */
export function configOf(service: string): Config {
  const parsed = parseConfig(`service:\n${service}`, 'simulated.yaml');
  if ('problems' in parsed) assert.fail(JSON.stringify(parsed.problems));
  return parsed.config;
}

/** The result of a handover's preparation, without a file on disk. */
export function preparedOf(config: Config, settings: Settings, acquired: Acquired, inode = 1): Prepared {
  return {
    config,
    settings,
    release: {
      path: PATH,
      executable: PATH,
      directory: '/',
      identity: { device: 1, inode, size: 1, mtimeMs: 1 },
      environment: new Map(),
      environmentNames: [],
    },
    user: null,
    acquired,
    record: {
      path: PATH,
      args: [],
      directory: '/',
      kind: 'program',
      device: 1,
      inode,
      size: 1,
      mtime_ms: 1,
      environment: [],
    },
    rollbackTo: null,
    label: null,
    source: null,
    snapshot: null,
    earlier: null,
    close: () => acquired.release(),
  };
}
