import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A config as its file has it: keys in snake_case, nothing filled in. */
export interface RawConfig {
  readonly application?: Readonly<Record<string, unknown>>;
  readonly service: {
    readonly listeners?: readonly Readonly<Record<string, unknown>>[];
    readonly runtime: Readonly<Record<string, unknown>>;
    readonly [section: string]: unknown;
  };
}

/**
 * Writes the config for a supervisor that touches nothing outside the folder and logs every fact as JSON. It is not started again when
 * it is killed. What the config says itself wins. Old and new generations share their sockets unless it says otherwise: what most tests are about is the same either way, and
 * steering has tests of its own. The file is JSON, which YAML 1.2 includes. Returns its path.
 */
export function writeConfig(folder: string, config: RawConfig): string {
  const file = join(folder, 'zero.yaml');
  const { logging, ...application } = config.application ?? {};
  const whole = {
    application: {
      logging: { format: 'json', level: 'debug', ...(logging as object | undefined) },
      restart_supervisor: 'never',
      runtime_directory: join(folder, 'run'),
      data_directory: join(folder, 'data'),
      ...application,
    },
    service: {
      handover: { mode: 'shared' },
      ...config.service,
      runtime: { name: 'test', ...config.service.runtime },
    },
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify(whole, null, 2)}\n`);
  return file;
}

/** The environment list of `runtime`, with what a program started without a shell wants. */
export function environmentList(
  variables: Readonly<Record<string, string>>,
): { key: string; value: string }[] {
  const path = process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin';
  return Object.entries({ PATH: path, ...variables }).map(([key, value]) => ({ key, value }));
}
